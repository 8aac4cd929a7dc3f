/** The routes of sandboxes: parse, call, translate. */
import type { SANDBOX_ROUTES } from '../../../shared/contracts/sandboxes.ts'
import type { Controller } from '../controller.ts'
import type { SandboxRow } from '../database/schema/sandboxes.ts'
import { claimOf } from '../sandboxes/claim.ts'
import { type CreateRequest, createSandbox } from '../sandboxes/create-sandbox.ts'
import { destroySandbox } from '../sandboxes/destroy-sandbox.ts'
import { execInSandbox } from '../sandboxes/exec-sandbox.ts'
import { findForChange, findSandbox } from '../sandboxes/find-sandbox.ts'
import { listSandboxes } from '../sandboxes/list-sandboxes.ts'
import { pauseSandbox } from '../sandboxes/pause-sandbox.ts'
import { toRecord } from '../sandboxes/record.ts'
import { ensureRunning } from '../sandboxes/resume-sandbox.ts'
import { type Call, json, type Outcome } from './serve-route.ts'

type Routes = typeof SANDBOX_ROUTES

const record = ({ region, clock }: Controller, row: SandboxRow) => toRecord(row, region.code, clock())

export function create(call: Call<Routes['create']>): Promise<Outcome> {
  const claim = claimOf(call.idempotencyKey, { principal: call.principal, kind: 'create', body: call.rawBody })
  return reply(call, { kind: 'create', body: call.body, principal: call.principal, claim })
}

export function run(call: Call<Routes['run']>): Promise<Outcome> {
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

export async function list({ controller, principal, query }: Call<Routes['list']>): Promise<Outcome> {
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

export async function get({ controller, principal, reference }: Call<Routes['get']>): Promise<Outcome> {
  const row = await findSandbox(controller.database.db, principal, reference, controller.region.code)
  return json({ data: record(controller, row) })
}

export async function exec(call: Call<Routes['exec']>): Promise<Outcome> {
  return json({ data: await execInSandbox(call.controller, call, call.arrival.timing) })
}

export async function pause(call: Call<Routes['pause']>): Promise<Outcome> {
  const row = await pauseSandbox(call.controller, await named(call))
  return json({ data: record(call.controller, row) })
}

export async function resume(call: Call<Routes['resume']>): Promise<Outcome> {
  const row = await ensureRunning(call.controller, call.principal, await named(call))
  return json({ data: record(call.controller, row) })
}

export async function destroy(call: Call<Routes['destroy']>): Promise<Outcome> {
  await destroySandbox(call.controller, await named(call))
  return { text: null }
}

const named = (call: Pick<Call<Routes['pause']>, 'controller' | 'principal' | 'reference'>): Promise<SandboxRow> =>
  findForChange(call.controller.database.db, call.principal, call.reference, call.controller.region.code)
