/** Podflare's documented calls, over the same use cases as our own. What they do not say is decided here: how long a sandbox lives. */
import * as z from 'zod'
import { PODFLARE_ROUTES } from '../../../../shared/contracts/podflare.ts'
import { LIMITS } from '../../../../shared/limits.ts'
import type { Principal } from '../../accounts/principal.ts'
import { claimOfCall } from '../../http/claim-of-call.ts'
import { type Call, json, type Outcome, type Serve } from '../../http/serve-route.ts'
import { claimOf } from '../../sandboxes/claim.ts'
import { createSandbox } from '../../sandboxes/create-sandbox.ts'
import { destroySandbox } from '../../sandboxes/destroy-sandbox.ts'
import { findForChange } from '../../sandboxes/find-sandbox.ts'
import { forkOnce } from '../../snapshots/fork-once.ts'
import { mergeOnce } from '../../snapshots/merge-once.ts'
import { podflareExec } from './exec.ts'

type Routes = typeof PODFLARE_ROUTES

export function servePodflare(serve: Serve<Principal>): void {
  serve(PODFLARE_ROUTES.create, create)
  serve(PODFLARE_ROUTES.fork, fork)
  serve(PODFLARE_ROUTES.merge, merge)
  serve(PODFLARE_ROUTES.exec, podflareExec)
  serve(PODFLARE_ROUTES.destroy, destroy)
}

export function servePodflareHealth(serve: Serve<null>): void {
  serve(PODFLARE_ROUTES.healthz, async () => ({ text: 'ok', headers: { 'content-type': 'text/plain' } }))
}

const createdSchema = z.object({ data: z.object({ id: z.string() }) })

/** It lives for as long as it is used, and ends when nobody has used it for a while. */
async function create(call: Call<Routes['create']>): Promise<Outcome> {
  const { controller, principal, body, rawBody, idempotencyKey, arrival } = call
  const claim = claimOf(idempotencyKey, { principal, kind: 'podflare', body: rawBody })
  const wanted = {
    template: body.template,
    persistent: body.persistent ?? false,
    timeout_sec: principal.limits.maxTimeoutSec,
    idle_timeout_sec: LIMITS.timeoutSecDefault,
    egress: body.egress,
  }
  const reply = await createSandbox(controller, { kind: 'create', body: wanted, principal, claim }, arrival.timing)
  const { id } = createdSchema.parse(JSON.parse(reply.response)).data
  const replayed = reply.isReplay ? { 'idempotent-replayed': 'true' } : {}
  return { ...json({ id, state: 'ready' }), headers: { 'x-podflare-region': controller.region.name, ...replayed } }
}

/** An agent forks to have as many as it asked for: with fewer it is told why, and there is none. */
async function fork(call: Call<Routes['fork']>): Promise<Outcome> {
  const { controller, principal, reference, body } = call
  const { status, response, isReplay } = await forkOnce(controller, {
    principal,
    reference,
    body: {},
    count: body.n,
    claim: claimOfCall(call, 'podflare-fork'),
    isWhole: true,
    answerOf: (rows) => ({ status: 200, response: JSON.stringify({ children: rows.map(({ id }) => id) }) }),
  })
  return { status, text: response, headers: isReplay ? { 'idempotent-replayed': 'true' } : {} }
}

async function merge(call: Call<Routes['merge']>): Promise<Outcome> {
  const { controller, principal, reference, params } = call
  const { isReplay } = await mergeOnce(controller, {
    principal,
    claim: claimOfCall(call, 'podflare-merge'),
    parent: reference,
    winner: params.winner ?? '',
    answerOf: () => ({ status: 204, response: '' }),
  })
  return { text: null, headers: isReplay ? { 'idempotent-replayed': 'true' } : {} }
}

async function destroy({ controller, principal, reference }: Call<Routes['destroy']>): Promise<Outcome> {
  const row = await findForChange(controller.database.db, principal, reference, controller.region.code)
  await destroySandbox(controller, row)
  return { text: null }
}
