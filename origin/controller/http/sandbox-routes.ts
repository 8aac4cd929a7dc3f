/** The routes of sandboxes: parse, call, translate. */
import { SANDBOX_ROUTES } from '../../../shared/contracts/sandboxes.ts'
import type { Principal } from '../accounts/principal.ts'
import { answerCode } from '../code/answer-code.ts'
import { codeOfExec } from '../code/code-of-exec.ts'
import type { Controller } from '../controller.ts'
import type { SandboxRow } from '../database/schema/sandboxes.ts'
import { startProcess } from '../processes/ask-process.ts'
import { planDetached } from '../processes/plan-process.ts'
import { changeSandbox } from '../sandboxes/change-sandbox.ts'
import { claimOf } from '../sandboxes/claim.ts'
import { type CreateRequest, createSandbox } from '../sandboxes/create-sandbox.ts'
import { destroySandbox } from '../sandboxes/destroy-sandbox.ts'
import { execInSandbox } from '../sandboxes/exec-sandbox.ts'
import { findForChange, findSandbox, notFound } from '../sandboxes/find-sandbox.ts'
import { followReadiness } from '../sandboxes/follow-readiness.ts'
import { keepFirstAnswer } from '../sandboxes/keep-first-answer.ts'
import { listSandboxes } from '../sandboxes/list-sandboxes.ts'
import { pauseSandbox } from '../sandboxes/pause-sandbox.ts'
import { planExtension, planUpdate } from '../sandboxes/plan-change.ts'
import { toRecord } from '../sandboxes/record.ts'
import { ensureRunning } from '../sandboxes/resume-sandbox.ts'
import { header } from './arrival.ts'
import { eventStream } from './event-stream.ts'
import { onceKeyOf } from './once-key.ts'
import { groundOf, streamCommand } from './process-routes.ts'
import { type Call, json, type Outcome, type Serve } from './serve-route.ts'
import { formOf } from './told-events.ts'

type Routes = typeof SANDBOX_ROUTES

/** What has a fixed word where another has an id comes first. */
export function serveSandboxes(serve: Serve<Principal>): void {
  serve(SANDBOX_ROUTES.run, run)
  serve(SANDBOX_ROUTES.create, create)
  serve(SANDBOX_ROUTES.list, list)
  serve(SANDBOX_ROUTES.getByName, getByName)
  serve(SANDBOX_ROUTES.get, get)
  serve(SANDBOX_ROUTES.update, update)
  serve(SANDBOX_ROUTES.setTags, setTags)
  serve(SANDBOX_ROUTES.extend, extend)
  serve(SANDBOX_ROUTES.readiness, readiness)
  serve(SANDBOX_ROUTES.readinessStream, readinessStream)
  serve(SANDBOX_ROUTES.exec, exec)
  serve(SANDBOX_ROUTES.pause, pause)
  serve(SANDBOX_ROUTES.resume, resume)
  serve(SANDBOX_ROUTES.destroy, destroy)
}

const record = (controller: Controller, row: SandboxRow) => toRecord(row, controller)

function create(call: Call<Routes['create']>): Promise<Outcome> {
  const claim = claimOf(call.idempotencyKey, { principal: call.principal, kind: 'create', body: call.rawBody })
  return reply(call, { kind: 'create', body: call.body, principal: call.principal, claim })
}

function run(call: Call<Routes['run']>): Promise<Outcome> {
  const claim = claimOf(call.idempotencyKey, { principal: call.principal, kind: 'run', body: call.rawBody })
  return reply(call, { kind: 'run', body: call.body, principal: call.principal, claim })
}

async function reply(
  call: Pick<Call<Routes['run']>, 'controller' | 'arrival'>,
  request: CreateRequest,
): Promise<Outcome> {
  const { status, response, isReplay } = await createSandbox(call.controller, request, call.arrival.timing)
  return { status, text: response, headers: isReplay ? { 'idempotent-replayed': 'true' } : {} }
}

async function list({ controller, principal, query }: Call<Routes['list']>): Promise<Outcome> {
  const { rows, nextCursor, place } = await listSandboxes(controller, principal, query)
  return json({
    data: rows.map((row) => record(controller, row)),
    next_cursor: nextCursor,
    ...(place === undefined
      ? {}
      : {
          page: { page: place.page, page_size: place.size, total: place.total },
          meta: { total: place.total, page: place.page },
        }),
  })
}

async function get(call: Call<Routes['get']>): Promise<Outcome> {
  return json({ data: record(call.controller, await found(call)) })
}

/** What begins like an id names nothing here, because no name begins so. */
async function getByName(call: Call<Routes['getByName']>): Promise<Outcome> {
  const reference = call.params.name ?? ''
  if (reference.startsWith('sbx_')) throw notFound()
  return json({ data: record(call.controller, await found({ ...call, reference })) })
}

async function update({ controller, principal, reference, body }: Call<Routes['update']>): Promise<Outcome> {
  const row = await changeSandbox(controller, principal, reference, (now) =>
    planUpdate(now, body, principal.limits, controller.clock()),
  )
  return json({ data: record(controller, row) })
}

async function setTags({ controller, principal, reference, body }: Call<Routes['setTags']>): Promise<Outcome> {
  const row = await changeSandbox(controller, principal, reference, (now) =>
    planUpdate(now, body, principal.limits, controller.clock()),
  )
  return json({ data: record(controller, row) })
}

async function extend({ controller, principal, reference, body }: Call<Routes['extend']>): Promise<Outcome> {
  const row = await changeSandbox(controller, principal, reference, (now) =>
    planExtension(now, body.timeout_sec, principal.limits, controller.clock()),
  )
  return json({ data: record(controller, row) })
}

async function readiness(call: Call<Routes['readiness']>): Promise<Outcome> {
  const { state } = await found(call)
  const ready = state === 'running'
  return json({ data: { ready, status: ready ? 'ready' : state } })
}

async function readinessStream(call: Call<Routes['readinessStream']>): Promise<Outcome> {
  const row = await found(call)
  return { stream: eventStream((left) => followReadiness(call.controller, row, left)) }
}

async function exec(call: Call<Routes['exec']>): Promise<Outcome> {
  const code = codeOfExec(call.body)
  if (code !== undefined) return answerCode(call, code)
  if (call.body.detached === true) {
    const { asking, workdir } = await groundOf(call)
    const { pid } = await startProcess(call.controller, asking, planDetached(call.body, workdir))
    return json({ data: { job_id: pid } })
  }
  const form = formOf(header(call.arrival, 'accept')) ?? 'json'
  if (form !== 'json') return streamCommand(call, form)
  return json({ data: await execInSandbox(call.controller, call, call.arrival.timing) })
}

async function pause(call: Call<Routes['pause']>): Promise<Outcome> {
  const row = await pauseSandbox(call.controller, await named(call))
  return json({ data: record(call.controller, row) })
}

async function resume(call: Call<Routes['resume']>): Promise<Outcome> {
  const { controller, principal } = call
  const found = await named(call)
  const once = onceKeyOf(call, principal.tenant, `sandboxes/${found.id}/resume`)
  const { text, isReplay } = await keepFirstAnswer(controller, once, found.id, async () =>
    JSON.stringify({ data: record(controller, await ensureRunning(controller, principal, found)) }),
  )
  return { text, headers: isReplay ? { 'idempotent-replayed': 'true' } : {} }
}

async function destroy(call: Call<Routes['destroy']>): Promise<Outcome> {
  await destroySandbox(call.controller, await named(call))
  return { text: null }
}

type Named = Pick<Call<Routes['get']>, 'controller' | 'principal' | 'reference'>

const found = ({ controller, principal, reference }: Named): Promise<SandboxRow> =>
  findSandbox(controller.database.db, principal, reference, controller.region.code)

const named = (call: Pick<Call<Routes['pause']>, 'controller' | 'principal' | 'reference'>): Promise<SandboxRow> =>
  findForChange(call.controller.database.db, call.principal, call.reference, call.controller.region.code)
