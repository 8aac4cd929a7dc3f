/** Delivering what is due: many at a time, of one webhook only a few, each by itself. */
import { inArray } from 'drizzle-orm'
import { LIMITS } from '../../../shared/limits.ts'
import type { Controller } from '../controller.ts'
import { webhook } from '../database/schema/events.ts'
import { describeError } from '../log.ts'
import { type Repeating, repeat } from '../repeat.ts'
import { type Claimed, claimDeliveries } from './claim-deliveries.ts'
import { decideDelivery, type Verdict } from './decide-delivery.ts'
import { finishDelivery } from './finish-delivery.ts'

type WebhookRow = typeof webhook.$inferSelect

/** Stopping breaks off what is under way; another controller, or the next start, takes it up again at once. */
export function keepDelivering(controller: Controller): Repeating {
  const { database, events, log } = controller
  const stopping = new AbortController()
  const underWay = new Set<Promise<void>>()
  const busy = new Map<string, number>()

  const count = (webhookId: string, by: 1 | -1): void => {
    const now = (busy.get(webhookId) ?? 0) + by
    if (now === 0) busy.delete(webhookId)
    else busy.set(webhookId, now)
  }
  const carry = async (claimed: Claimed, to: WebhookRow | undefined): Promise<void> => {
    count(claimed.webhook, 1)
    try {
      await finishDelivery(database.db, claimed, await attempt(controller, claimed, to, stopping.signal))
    } catch (err) {
      // Its lease ends, and it is tried again: delivered twice at worst, and never not at all.
      log('warn', 'webhooks.unfinished', { delivery: claimed.id, error: describeError(err) })
    } finally {
      count(claimed.webhook, -1)
      delivering.soon()
    }
  }
  const delivering = repeat(LIMITS.webhookPollMs, log, 'webhooks.failed', async () => {
    const room = LIMITS.webhookDeliveriesAtOnceMax - underWay.size
    if (room <= 0 || stopping.signal.aborted) return
    const claimed = await claimDeliveries(database.db, room, busy)
    if (claimed.length === 0) return
    const ids = [...new Set(claimed.map((one) => one.webhook))]
    const rows = await database.db.select().from(webhook).where(inArray(webhook.id, ids))
    for (const one of claimed) {
      const carrying = carry(
        one,
        rows.find(({ id }) => id === one.webhook),
      )
      underWay.add(carrying)
      void carrying.finally(() => underWay.delete(carrying))
    }
  })
  events.due = delivering.soon
  return {
    soon: delivering.soon,
    async stop() {
      stopping.abort()
      await delivering.stop()
      await Promise.all(underWay)
      await controller.webhooks.close()
    },
  }
}

/** One attempt, and what follows from it. What is meant for a webhook that is switched off or gone is given up. */
export async function attempt(
  { webhooks, accounts, metrics, random }: Controller,
  claimed: Claimed,
  to: WebhookRow | undefined,
  stop: AbortSignal,
): Promise<Verdict> {
  if (to === undefined || to.deletedAt !== null) return givenUp('The webhook was removed.')
  if (!to.active) return givenUp('The webhook is switched off.')
  const { url, headers, secret, retryCount } = to
  const parcel = { id: claimed.id, url, headers, secret: accounts.secrets.open(secret), body: claimed.body }
  const came = await webhooks.send(parcel, stop)
  // A test is for somebody who waits for its outcome.
  const retries = claimed.sandbox === null ? 0 : retryCount
  const verdict = decideDelivery(came, claimed.attempts, retries, (random(1)[0] ?? 0) / 255)
  metrics.deliveries.inc({ outcome: verdict.kind })
  return verdict
}

const givenUp = (error: string): Verdict => ({ kind: 'dead', status: null, error })
