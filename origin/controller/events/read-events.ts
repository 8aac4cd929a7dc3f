/** Reading published events, by their places. */
import { and, asc, desc, eq, gt, isNotNull, lte, type SQL, sql } from 'drizzle-orm'
import { LIMITS } from '../../../shared/limits.ts'
import type { Db } from '../database/connect.ts'
import { event } from '../database/schema/events.ts'
import { nameFor } from './match-event.ts'

export const EVENT_COLUMNS = {
  /** Only of published events is it asked. */
  position: sql<number>`${event.position}`.mapWith(event.position),
  sandbox: event.sandbox,
  tenant: event.tenant,
  externalUser: event.externalUser,
  type: event.type,
  data: event.data,
  ts: event.ts,
}
export type EventRow = {
  position: number
  sandbox: string
  tenant: string
  externalUser: string | null
  type: string
  data: Record<string, unknown>
  ts: Date
}

/** What a reader may, and wants to, see. Null is no bound. */
export type EventFilter = {
  tenant: string
  externalUser: string | null
  sandbox: string | null
  types: readonly string[] | null
}

/** The name by which the reader hears of it; undefined for what it may not see, or does not want to. */
export function nameToReader({ tenant, externalUser, sandbox, types }: EventFilter, row: EventRow): string | undefined {
  const isVisible =
    row.tenant === tenant &&
    (externalUser === null || row.externalUser === externalUser) &&
    (sandbox === null || row.sandbox === sandbox)
  if (!isVisible) return undefined
  return types === null ? row.type : nameFor(types, row.type)
}

/** The newest place of the region, or 0 when nothing has happened yet. */
export async function newestPosition(db: Db): Promise<number> {
  const [row] = await db
    .select({ position: EVENT_COLUMNS.position })
    .from(event)
    .where(isNotNull(event.position))
    .orderBy(desc(event.position))
    .limit(1)
  return row?.position ?? 0
}

/**
 * Whether what came after this place is still there. Events are forgotten from the oldest on, so it is for as long as one up to here is;
 * the one that had this place may be gone, because those of commands are forgotten sooner.
 */
export async function isKept(db: Db, position: number): Promise<boolean> {
  const upTo = db.select({ position: event.position }).from(event).where(lte(event.position, position))
  return (await upTo.orderBy(asc(event.position)).limit(1)).length > 0
}

/** The next events of everybody, for the tail. */
export const readAfter = (db: Db, position: number): Promise<EventRow[]> => readPage(db, [], position)

/** The next events of one reader, its wish for names not yet asked. */
export const readFor = (
  { tenant, externalUser, sandbox }: EventFilter,
  db: Db,
  position: number,
): Promise<EventRow[]> =>
  readPage(
    db,
    [
      eq(event.tenant, tenant),
      ...(externalUser === null ? [] : [eq(event.externalUser, externalUser)]),
      ...(sandbox === null ? [] : [eq(event.sandbox, sandbox)]),
    ],
    position,
  )

const readPage = (db: Db, filters: SQL[], position: number): Promise<EventRow[]> =>
  db
    .select(EVENT_COLUMNS)
    .from(event)
    .where(and(...filters, gt(event.position, position)))
    .orderBy(asc(event.position))
    .limit(LIMITS.eventPageRows)
