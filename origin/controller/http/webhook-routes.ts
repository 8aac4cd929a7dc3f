/** The routes of webhooks: parse, call, translate. */
import { WEBHOOK_ROUTES } from '../../../shared/contracts/webhooks.ts'
import type { Principal } from '../accounts/principal.ts'
import type { Controller } from '../controller.ts'
import { findWebhook, listDeliveries, listWebhooks, type WebhookRow } from '../webhooks/read-webhooks.ts'
import { toDeliveryRecord, toWebhookRecord } from '../webhooks/record.ts'
import { replayDead, replayDelivery } from '../webhooks/replay-deliveries.ts'
import { testWebhook } from '../webhooks/test-webhook.ts'
import { createWebhook, removeWebhook, updateWebhook } from '../webhooks/write-webhook.ts'
import { asOwner } from './as-owner.ts'
import { onceKeyOf } from './once-key.ts'
import { type Call, json, type Outcome, type Serve } from './serve-route.ts'

type Routes = typeof WEBHOOK_ROUTES

/** A webhook tells of the whole tenant, so only whoever speaks for all of it may have any. */
export function serveWebhooks(serve: Serve<Principal>): void {
  serve(WEBHOOK_ROUTES.create, asOwner(create))
  serve(WEBHOOK_ROUTES.list, asOwner(list))
  serve(WEBHOOK_ROUTES.get, asOwner(get))
  serve(WEBHOOK_ROUTES.update, asOwner(update))
  serve(WEBHOOK_ROUTES.remove, asOwner(remove))
  serve(WEBHOOK_ROUTES.test, asOwner(test))
  serve(WEBHOOK_ROUTES.deliveries, asOwner(deliveries))
  serve(WEBHOOK_ROUTES.replay, asOwner(replay))
  serve(WEBHOOK_ROUTES.replayDead, asOwner(replayAllDead))
}

const record = ({ accounts }: Controller, row: WebhookRow) => toWebhookRecord(row, accounts.secrets.open(row.secret))
const named = ({
  controller,
  principal,
  reference,
}: Pick<Call<Routes['get']>, 'controller' | 'principal' | 'reference'>) =>
  findWebhook(controller.database.db, principal.tenant, reference)

async function create(call: Call<Routes['create']>): Promise<Outcome> {
  const once = onceKeyOf(call, call.principal.tenant, 'webhooks')
  const { text, isReplay } = await createWebhook(call.controller, call.principal, call.body, once)
  // A secret is in no cache of anybody's.
  return { text, headers: { 'cache-control': 'no-store', ...(isReplay ? { 'idempotent-replayed': 'true' } : {}) } }
}

async function list({ controller, principal, query }: Call<Routes['list']>): Promise<Outcome> {
  const { rows, nextCursor } = await listWebhooks(controller.database.db, principal.tenant, query)
  return json({ data: rows.map((row) => record(controller, row)), next_cursor: nextCursor })
}

async function get(call: Call<Routes['get']>): Promise<Outcome> {
  return json({ data: record(call.controller, await named(call)) })
}

async function update({ controller, principal, reference, body }: Call<Routes['update']>): Promise<Outcome> {
  return json({ data: await updateWebhook(controller, principal, reference, body) })
}

async function remove({ controller, principal, reference }: Call<Routes['remove']>): Promise<Outcome> {
  await removeWebhook(controller, principal, reference)
  return { text: null }
}

async function test(call: Call<Routes['test']>): Promise<Outcome> {
  const row = await named(call)
  const once = onceKeyOf(call, call.principal.tenant, `webhooks/${row.id}/test`)
  const { answer, isReplay } = await testWebhook(call.controller, row, once, call.caller)
  return { ...json({ data: answer }), headers: isReplay ? { 'idempotent-replayed': 'true' } : {} }
}

async function deliveries(call: Call<Routes['deliveries']>): Promise<Outcome> {
  const { id } = await named(call)
  const { rows, nextCursor } = await listDeliveries(call.controller.database.db, id, call.query)
  return json({ data: rows.map(toDeliveryRecord), next_cursor: nextCursor })
}

async function replay(call: Call<Routes['replay']>): Promise<Outcome> {
  const { id } = await named(call)
  return json({ data: toDeliveryRecord(await replayDelivery(call.controller, id, call.params.delivery ?? '')) })
}

async function replayAllDead(call: Call<Routes['replayDead']>): Promise<Outcome> {
  const { id } = await named(call)
  return json({ data: { replayed: await replayDead(call.controller, id) } })
}
