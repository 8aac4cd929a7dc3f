/** The routes of templates of a tenant's own, and of their builds: parse, call, translate. */
import * as z from 'zod'
import { BUILD_SPEC_VERSION, buildSpec } from '../../../shared/contracts/build-spec.ts'
import type { Route } from '../../../shared/contracts/route.ts'
import { TEMPLATE_ROUTES } from '../../../shared/contracts/templates.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { OnceAnswer } from '../accounts/answer-once.ts'
import type { Principal } from '../accounts/principal.ts'
import { toBuildRecord } from '../templates/builds/build-record.ts'
import { cancelBuild } from '../templates/builds/cancel-build.ts'
import { findBuild, listBuilds } from '../templates/builds/find-build.ts'
import { openBuildLogStream, readBuildLog } from '../templates/builds/follow-build-log.ts'
import { makeBuild } from '../templates/builds/make-build.ts'
import { findTemplateRow, requireTemplateOwner } from '../templates/find-template.ts'
import { makeTemplate } from '../templates/make-template.ts'
import { removeBuild, removeTemplate } from '../templates/remove-template.ts'
import { judgeWhole } from '../templates/require-buildable.ts'
import { header } from './arrival.ts'
import { onceKeyOf } from './once-key.ts'
import { type Call, json, type Outcome, type Serve } from './serve-route.ts'

type Routes = typeof TEMPLATE_ROUTES

/** Made once: it is the same for everybody. */
const SPEC_SCHEMA = { version: BUILD_SPEC_VERSION, ...z.toJSONSchema(buildSpec, { io: 'input' }) }

export function serveTemplates(serve: Serve<Principal>): void {
  // Before any route that takes a name in the same place.
  serve(TEMPLATE_ROUTES.buildSpec, async () => json(SPEC_SCHEMA))
  serve(TEMPLATE_ROUTES.validate, async ({ controller, principal, body }) =>
    json(await judgeWhole(controller, principal, body.build_spec)),
  )
  serve(TEMPLATE_ROUTES.create, create)
  serve(TEMPLATE_ROUTES.remove, remove)
  serve(TEMPLATE_ROUTES.createBuild, createBuild)
  serve(TEMPLATE_ROUTES.builds, builds)
  serve(TEMPLATE_ROUTES.build, async (call) => told(call, await found(call)))
  serve(TEMPLATE_ROUTES.logs, logs)
  serve(TEMPLATE_ROUTES.logStream, logStream)
  serve(TEMPLATE_ROUTES.cancel, cancel)
  serve(TEMPLATE_ROUTES.removeBuild, async (call) => {
    await removeBuild(call.controller, call.principal, await found(call))
    return { text: null }
  })
}

type Asked = Pick<Call<Route>, 'controller' | 'principal' | 'reference'>

const found = ({ controller, principal, reference }: Asked) => findBuild(controller, principal, reference)
const told = ({ controller }: Asked, build: Awaited<ReturnType<typeof found>>): Outcome =>
  json({ data: toBuildRecord(build, controller.region.code) })

const once = ({ text, isReplay }: OnceAnswer): Outcome => ({
  text,
  headers: isReplay ? { 'idempotent-replayed': 'true' } : {},
})

async function create(call: Call<Routes['create']>): Promise<Outcome> {
  const { controller, principal, body } = call
  return once(await makeTemplate(controller, principal, body, onceKeyOf(call, principal.tenant, 'sandbox-templates')))
}

async function remove({ controller, principal, reference }: Call<Routes['remove']>): Promise<Outcome> {
  requireTemplateOwner(principal)
  await removeTemplate(controller, principal, await findTemplateRow(controller, principal, reference))
  return { text: null }
}

async function createBuild(call: Call<Routes['createBuild']>): Promise<Outcome> {
  const { principal, reference } = call
  const key = onceKeyOf(call, principal.tenant, `sandbox-templates/${reference}/builds`)
  return once(await makeBuild(call.controller, { ...call, once: key }))
}

async function builds({ controller, principal, reference }: Call<Routes['builds']>): Promise<Outcome> {
  const rows = await listBuilds(controller.database.db, await findTemplateRow(controller, principal, reference))
  return json({ data: rows.map((row) => toBuildRecord(row, controller.region.code)) })
}

async function cancel(call: Call<Routes['cancel']>): Promise<Outcome> {
  requireTemplateOwner(call.principal)
  const build = await found(call)
  return told(call, { ...build, row: await cancelBuild(call.controller, build.row) })
}

async function logs(call: Call<Routes['logs']>): Promise<Outcome> {
  const { row } = await found(call)
  const { cursor: after = 0, limit = LIMITS.listRowsMax } = call.query
  const { lines, next } = await readBuildLog(call.controller.database.db, row.id, { after, limit })
  return json({ data: lines, next_cursor: next === null ? null : String(next) })
}

async function logStream(call: Call<Routes['logStream']>): Promise<Outcome> {
  const { controller, arrival, principal, caller, query } = call
  const { row } = await found(call)
  // Nobody would read it, so nobody would close it.
  if (arrival.method === 'HEAD') return { text: null, headers: { 'content-type': 'text/event-stream' } }
  const after = afterOf(header(arrival, 'last-event-id')) ?? query.cursor ?? 0
  return { stream: openBuildLogStream(controller, { principal, build: row.id, after, caller }) }
}

/** From the id of an event of ours. */
const afterOf = (lastId: string | undefined): number | undefined =>
  lastId !== undefined && /^\d{1,9}$/.test(lastId) ? Number(lastId) : undefined
