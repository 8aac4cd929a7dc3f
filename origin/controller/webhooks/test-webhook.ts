/** Delivers one test event now, once, and says what came of it. It stands in the list of deliveries like every other. */
import { sql } from 'drizzle-orm'
import type { TestAnswer } from '../../../shared/contracts/webhooks.ts'
import { newId } from '../../../shared/ids.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { OnceClaim } from '../accounts/answer-once.ts'
import type { Controller } from '../controller.ts'
import { claimTest } from './claim-test.ts'
import { attempt } from './deliver.ts'
import { finishDelivery } from './finish-delivery.ts'
import { bodyOf } from './make-deliveries.ts'
import type { DeliveryRow, WebhookRow } from './read-webhooks.ts'

const TEST_TYPE = 'webhook.test'
const ID_RANDOM_BYTES = 16

export type Tested = { answer: TestAnswer; isReplay: boolean }

/** Throws idempotency_in_progress. `stop` aborts when nobody waits for the outcome any longer; the test is then delivered all the same. */
export async function testWebhook(
  controller: Controller,
  to: WebhookRow,
  once: OnceClaim | undefined,
  stop: AbortSignal,
): Promise<Tested> {
  const { database, region, clock, random } = controller
  const now = new Date(clock())
  const fresh = (kind: 'evt' | 'dlv') => newId(kind, region.code, now.getTime(), random(ID_RANDOM_BYTES))
  const eventId = fresh('evt')
  const claimed = {
    id: fresh('dlv'),
    webhook: to.id,
    sandbox: null,
    attempts: 1,
    body: bodyOf(eventId, TEST_TYPE, now, { webhook_id: to.id, region: region.code }),
  }
  // Claimed from its first moment: should this process die, another one tells of it.
  const test = await claimTest(controller, once, {
    ...claimed,
    tenant: to.tenant,
    eventId,
    type: TEST_TYPE,
    status: 'pending',
    createdAt: now,
    nextAt: sql`now() + make_interval(secs => ${LIMITS.webhookLeaseMs / 1_000})`,
  })
  if (test.kind === 'earlier') return { answer: answerOf(test.row), isReplay: true }
  const verdict = await attempt(controller, claimed, to, stop)
  await finishDelivery(database.db, claimed, verdict)
  const answer = {
    delivered: verdict.kind === 'delivered',
    status: 'status' in verdict ? verdict.status : null,
    error: 'error' in verdict ? verdict.error : null,
    delivery_id: claimed.id,
  }
  return { answer, isReplay: false }
}

const answerOf = ({ id, status, responseStatus, error }: DeliveryRow): TestAnswer => ({
  delivered: status === 'delivered',
  status: responseStatus,
  error,
  delivery_id: id,
})
