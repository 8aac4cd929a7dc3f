/** The routes of what one sandbox used, uses and says: parse, call, translate. */
import { INSPECTION_ROUTES } from '../../../shared/contracts/inspection.ts'
import type { Route } from '../../../shared/contracts/route.ts'
import type { Principal } from '../accounts/principal.ts'
import type { SandboxRow } from '../database/schema/sandboxes.ts'
import { lineAfter, readConsole } from '../inspection/follow-console.ts'
import { measureSandbox } from '../inspection/measure.ts'
import { openLog } from '../inspection/open-log.ts'
import { usageOf } from '../inspection/sandbox-usage.ts'
import { findForChange, findSandbox } from '../sandboxes/find-sandbox.ts'
import { nameOfTemplate } from '../templates/template-reference.ts'
import { settingsOf } from '../templates/template-settings.ts'
import { header } from './arrival.ts'
import { type Call, json, type Outcome, type Serve } from './serve-route.ts'

type Routes = typeof INSPECTION_ROUTES

export function serveInspection(serve: Serve<Principal>): void {
  serve(INSPECTION_ROUTES.usage, async (call) => json({ data: await usageOf(call.controller, await found(call)) }))
  serve(INSPECTION_ROUTES.metrics, async (call) =>
    json({ data: await measureSandbox(call.controller, await found(call), call.query.window) }),
  )
  serve(INSPECTION_ROUTES.logs, logs)
  serve(INSPECTION_ROUTES.logStream, logStream)
  serve(INSPECTION_ROUTES.artifacts, async (call) => {
    const settings = await settingsOf(call.controller.database.db, await found(call))
    const paths = settings?.artifactPaths ?? []
    return json({ data: { artifacts: Object.fromEntries(paths.map((path) => [path, { path }])) } })
  })
  serve(INSPECTION_ROUTES.startTemplate, startTemplate)
}

async function logs(call: Call<Routes['logs']>): Promise<Outcome> {
  const { lines } = await readConsole(call.controller, await found(call), { lines: call.query.lines, after: 0 })
  return json({ data: { lines } })
}

async function logStream(call: Call<Routes['logStream']>): Promise<Outcome> {
  const { controller, arrival, principal, query, caller } = call
  const row = await found(call)
  // Nobody would read it, so nobody would close it.
  if (arrival.method === 'HEAD') return { text: null, headers: { 'content-type': 'text/event-stream' } }
  const after = lineAfter(header(arrival, 'last-event-id'))
  return { stream: openLog(controller, { principal, row, from: { lines: query.lines, after }, caller }) }
}

async function startTemplate({ controller, principal, reference }: Call<Routes['startTemplate']>): Promise<Outcome> {
  const row = await findForChange(controller.database.db, principal, reference, controller.region.code)
  const started = ((await settingsOf(controller.database.db, row))?.startCmd ?? null) !== null
  const reason = started ? 'It runs since the template was built.' : 'This template has no start command.'
  return json({ data: { sandbox_id: row.id, template_id: nameOfTemplate(row.template), started, reason } })
}

const found = (call: Pick<Call<Route>, 'controller' | 'principal' | 'reference'>): Promise<SandboxRow> =>
  findSandbox(call.controller.database.db, call.principal, call.reference, call.controller.region.code)
