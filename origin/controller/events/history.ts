/** The changes of one sandbox's state, out of its events, oldest first. */
import { and, asc, eq, gt, isNotNull, sql } from 'drizzle-orm'
import type * as z from 'zod'
import type { HistoryRecord, historyQuery } from '../../../shared/contracts/events.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Principal } from '../accounts/principal.ts'
import type { Controller } from '../controller.ts'
import { event } from '../database/schema/events.ts'
import { findSubject, placeOf } from './open-stream.ts'
import { publishAll } from './publish.ts'
import { EVENT_COLUMNS } from './read-events.ts'

/** Other events tell of its ports. */
const isOfState = sql`${event.data} ?& array['state', 'revision']`

export type History = { rows: HistoryRecord[]; nextCursor: string | null }

export async function historyOf(
  controller: Controller,
  principal: Principal,
  reference: string,
  query: z.infer<typeof historyQuery>,
): Promise<History> {
  const { database, events } = controller
  const subject = await findSubject(controller, principal, reference)
  const after = query.cursor === undefined ? 0 : await placeOf(controller, query.cursor)
  // What has just happened has no place yet, and belongs in here.
  await publishAll(controller)
  const limit = query.limit ?? LIMITS.listRowsMax
  const found = await database.db
    .select(EVENT_COLUMNS)
    .from(event)
    .where(and(eq(event.sandbox, subject.id), isNotNull(event.position), gt(event.position, after), isOfState))
    .orderBy(asc(event.position))
    .limit(limit + 1)
  const rows = found.slice(0, limit).map(
    ({ position, type, sandbox, ts, data }): HistoryRecord => ({
      id: events.ids.of(position, ts),
      type,
      sandbox_id: sandbox,
      ts: ts.toISOString(),
      // Without these two it is not of a state.
      ...(data as Pick<HistoryRecord, 'state' | 'revision'>),
    }),
  )
  return { rows, nextCursor: found.length > limit ? (rows.at(-1)?.id ?? null) : null }
}
