/** Making, changing and removing webhooks: account data, written in the home region and followed by the others. */
import { and, eq, isNull, sql } from 'drizzle-orm'
import type { CreateWebhookBody, UpdateWebhookBody, WebhookRecord } from '../../../shared/contracts/webhooks.ts'
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { OnceAnswer, OnceClaim } from '../accounts/answer-once.ts'
import { changeAccounts, makeInAccounts } from '../accounts/change-accounts.ts'
import type { Principal } from '../accounts/principal.ts'
import type { AccountTx } from '../accounts/write-account.ts'
import type { Controller } from '../controller.ts'
import { webhook } from '../database/schema/events.ts'
import { refusalOfUrl, resolvePublic } from './public-address.ts'
import { findWebhook } from './read-webhooks.ts'
import { toWebhookRecord } from './record.ts'
import { hostOf } from './send-delivery.ts'

const ID_BYTES = 16
const SECRET_BYTES = 32

/** The secret is in this answer, and in its repeats under the same key, and nowhere else. */
export async function createWebhook(
  controller: Controller,
  principal: Principal,
  body: CreateWebhookBody,
  once: OnceClaim | undefined,
): Promise<OnceAnswer> {
  const { accounts, random } = controller
  await requireDeliverable(controller, body.url)
  const secret = `whsec_${Buffer.from(random(SECRET_BYTES)).toString('base64url')}`
  const make = async (tx: AccountTx, version: number) => {
    await requireRoom(tx, principal.tenant)
    const [row] = await tx
      .insert(webhook)
      .values({
        id: `whk_${Buffer.from(random(ID_BYTES)).toString('hex')}`,
        tenant: principal.tenant,
        name: body.name ?? '',
        url: body.url,
        events: body.events,
        headers: body.headers ?? {},
        secret: accounts.secrets.seal(secret),
        retryCount: body.retry_count ?? LIMITS.webhookRetriesDefault,
        active: true,
        version,
      })
      .returning()
    if (row === undefined) throw new Error('A webhook was not written.')
    return { ...toWebhookRecord(row, secret), secret }
  }
  return await makeInAccounts(controller, principal, once, make)
}

export async function updateWebhook(
  controller: Controller,
  principal: Principal,
  id: string,
  body: UpdateWebhookBody,
): Promise<WebhookRecord> {
  if (body.url !== undefined) await requireDeliverable(controller, body.url)
  const { retry_count: retryCount, ...rest } = body
  return await changeAccounts(controller, principal, async (tx, version) => {
    const found = await findWebhook(tx, principal.tenant, id)
    const [row] = await tx
      .update(webhook)
      .set({ ...rest, ...(retryCount === undefined ? {} : { retryCount }), version })
      .where(eq(webhook.id, found.id))
      .returning()
    return toWebhookRecord(row ?? found, controller.accounts.secrets.open(found.secret))
  })
}

/** The row stays, without a secret: a copy that lags must hear of it, and deliveries under way refer to it. */
export async function removeWebhook(controller: Controller, principal: Principal, id: string): Promise<void> {
  await changeAccounts(controller, principal, async (tx, version) => {
    const found = await findWebhook(tx, principal.tenant, id)
    await tx
      .update(webhook)
      .set({ deletedAt: sql`now()`, active: false, secret: '', headers: {}, version })
      .where(eq(webhook.id, found.id))
  })
}

async function requireRoom(tx: AccountTx, tenant: string): Promise<void> {
  const count = await tx.$count(webhook, and(eq(webhook.tenant, tenant), isNull(webhook.deletedAt)))
  if (count >= LIMITS.webhooksPerTenantMax)
    throw new AppError('account_limit', `A tenant may have at most ${LIMITS.webhooksPerTenantMax} webhooks.`)
}

/** Told here already, although each delivery is checked again: what a name stands for may change. */
async function requireDeliverable({ webhooks: { bounds } }: Controller, url: string): Promise<void> {
  const refusal = refusalOfUrl(url, bounds.reach)
  if (refusal !== null) throw refused(refusal)
  const found = await resolvePublic(hostOf(url), bounds)
  if (found.kind === 'refused') throw refused(found.why)
}

const refused = (why: string): AppError =>
  new AppError('webhook_url_refused', `The URL ${why}.`, { details: { url: [why] } })
