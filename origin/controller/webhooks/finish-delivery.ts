/** Writes what came of an attempt, and lets the next delivery of the same line go when this one has ended. */
import { and, eq, sql } from 'drizzle-orm'
import type { Db } from '../database/connect.ts'
import { delivery } from '../database/schema/events.ts'
import type { Tx } from '../events/publish.ts'
import type { Claimed } from './claim-deliveries.ts'
import type { Verdict } from './decide-delivery.ts'

type Attempted = Pick<Claimed, 'id' | 'webhook' | 'sandbox' | 'attempts'>

/** Guarded by the count of attempts: whose lease was over, and whose delivery was taken by another, writes nothing. */
export async function finishDelivery(db: Db, attempted: Attempted, verdict: Verdict): Promise<void> {
  await db.transaction(async (tx) => {
    const { rowCount } = await tx
      .update(delivery)
      .set(writesOf(verdict))
      .where(
        and(eq(delivery.id, attempted.id), eq(delivery.status, 'pending'), eq(delivery.attempts, attempted.attempts)),
      )
    const hasEnded = verdict.kind === 'delivered' || verdict.kind === 'dead'
    if (rowCount === 1 && hasEnded && attempted.sandbox !== null)
      await moveLine(tx, attempted.webhook, attempted.sandbox)
  })
}

function writesOf(verdict: Verdict) {
  switch (verdict.kind) {
    case 'untried':
      return { attempts: sql`${delivery.attempts} - 1`, nextAt: sql`now()` }
    case 'again':
      return {
        nextAt: sql`now() + make_interval(secs => ${verdict.afterMs / 1_000})`,
        responseStatus: verdict.status,
        error: verdict.error,
      }
    case 'delivered':
      return { status: 'delivered' as const, finishedAt: sql`now()`, responseStatus: verdict.status, error: null }
    case 'dead':
      return { status: 'dead' as const, finishedAt: sql`now()`, responseStatus: verdict.status, error: verdict.error }
  }
}

/** A statement of its own, so that it sees whoever joined the line while the one before waited for the lock. */
async function moveLine(tx: Tx, webhookId: string, sandboxId: string): Promise<void> {
  await tx.execute(sql`
    update ${delivery} set next_at = now()
    where id = (
        select first.id from ${delivery} first
        where first.webhook = ${webhookId} and first.sandbox = ${sandboxId} and first.status = 'pending'
        order by first.position limit 1)
      and next_at = 'infinity'`)
}
