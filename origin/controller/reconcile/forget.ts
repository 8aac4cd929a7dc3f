/**
 * Deletes what was kept for long enough, a bounded number of rows at a time, so that a backlog holds up nobody.
 *
 * Kept for ever: the intervals of the meter, which are what people pay by, and the accounts. A forgotten sandbox is still in both.
 */
import { and, eq, inArray, isNotNull, isNull, lt, or, type SQL, sql } from 'drizzle-orm'
import type { PgTable } from 'drizzle-orm/pg-core'
import { ENDED } from '../../../shared/lifecycle.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Controller } from '../controller.ts'
import type { Db } from '../database/connect.ts'
import { egressAudit } from '../database/schema/egress.ts'
import { event } from '../database/schema/events.ts'
import { hostToken } from '../database/schema/hosts.ts'
import { idempotency } from '../database/schema/idempotency.ts'
import { sandbox } from '../database/schema/sandboxes.ts'
import { snapshot } from '../database/schema/snapshots.ts'
import { templateBuild } from '../database/schema/templates.ts'
import { forgetOldEvents } from '../events/forget-events.ts'
import { forgetFinishedDeliveries } from '../webhooks/forget-deliveries.ts'

/** Deletes at most `rowsMax` rows and says how many. */
export type Forgetting = { table: string; forget(db: Db, rowsMax: number): Promise<number> }

/** By `now()`, because no index serves a clock that moves. */
const before = (ms: number): SQL => sql`now() - make_interval(secs => ${ms / 1_000})`

const FORGETTING: readonly Forgetting[] = [
  { table: 'event', forget: forgetOldEvents },
  {
    table: 'event',
    forget: rowsOf(
      event,
      and(
        sql`${event.type} like 'sandbox.exec.%'`,
        isNotNull(event.position),
        lt(event.ts, before(LIMITS.commandEventsKeptMs)),
      ),
    ),
  },
  { table: 'delivery', forget: forgetFinishedDeliveries },
  { table: 'idempotency', forget: rowsOf(idempotency, lt(idempotency.expiresAt, sql`now()`)) },
  {
    table: 'sandbox',
    forget: rowsOf(
      sandbox,
      and(
        isNotNull(sandbox.releasedAt),
        inArray(sandbox.state, [...ENDED]),
        lt(sandbox.changedAt, before(LIMITS.endedSandboxKeptMs)),
      ),
    ),
  },
  {
    table: 'snapshot',
    forget: rowsOf(
      snapshot,
      and(eq(snapshot.state, 'failed'), lt(snapshot.changedAt, before(LIMITS.failedSnapshotKeptMs))),
    ),
  },
  {
    table: 'template_build',
    forget: rowsOf(
      templateBuild,
      and(
        isNull(templateBuild.version),
        isNull(templateBuild.sandbox),
        isNull(templateBuild.snapshot),
        lt(templateBuild.finishedAt, before(LIMITS.endedBuildKeptMs)),
      ),
    ),
  },
  {
    table: 'egress_audit',
    forget: rowsOf(egressAudit, lt(egressAudit.insertedAt, before(LIMITS.egressAuditKeptMs))),
  },
  {
    table: 'host_token',
    forget: rowsOf(
      hostToken,
      or(lt(hostToken.usedAt, before(LIMITS.hostTokenKeptMs)), lt(hostToken.expiresAt, before(LIMITS.hostTokenKeptMs))),
    ),
  },
]

/** What cannot be forgotten now keeps nothing else from it. */
export async function forgetOld(controller: Controller): Promise<void> {
  const failures: unknown[] = []
  for (const { table, forget } of FORGETTING)
    await forgetBatches(controller, table, forget).catch((err: unknown) => failures.push(err))
  if (failures.length > 0) throw failures[0]
}

/** A full batch says that there may be more; the rest of a long backlog waits for the next turn. */
async function forgetBatches(
  { database, metrics, isDraining }: Controller,
  table: string,
  forget: Forgetting['forget'],
): Promise<void> {
  for (let batch = 0; batch < LIMITS.forgetBatchesMax && !isDraining(); batch++) {
    const count = await forget(database.db, LIMITS.reconcileRowsMax)
    metrics.forgotten.inc({ table }, count)
    if (count < LIMITS.reconcileRowsMax) return
  }
}

/** A row that changes meanwhile is another row, and stays for the next look. */
function rowsOf(table: PgTable, isOld: SQL | undefined): Forgetting['forget'] {
  return async (db, rowsMax) => {
    const old = db.select({ place: sql`ctid` }).from(table).where(isOld).limit(rowsMax)
    const { rowCount } = await db.delete(table).where(sql`ctid = any(array(${old}))`)
    return rowCount ?? 0
  }
}
