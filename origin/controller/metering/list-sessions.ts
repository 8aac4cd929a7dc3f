/** When each sandbox ran and was paused, newest first: the intervals themselves. */
import { and, desc, eq, lte, type SQL, sql } from 'drizzle-orm'
import type { SessionsQuery, UsageSession } from '../../../shared/contracts/usage.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Controller } from '../controller.ts'
import { usageInterval } from '../database/schema/usage.ts'
import { notACursor } from '../not-a-cursor.ts'
import type { Reach } from '../sandboxes/find-sandbox.ts'

export type SessionsPage = { data: UsageSession[]; next_cursor: string | null }
type Interval = typeof usageInterval.$inferSelect
type Place = { openedAt: Date; region: string; id: number }

export async function listSessions(controller: Controller, reach: Reach, query: SessionsQuery): Promise<SessionsPage> {
  const { database, region, clock } = controller
  const limit = query.limit ?? LIMITS.listRowsMax
  const rows = await database.db
    .select()
    .from(usageInterval)
    .where(and(...reaching(reach), ...(query.cursor === undefined ? [] : below(placeOf(query.cursor), region.code))))
    .orderBy(desc(usageInterval.openedAt), desc(usageInterval.id))
    .limit(limit + 1)
  const data = rows.slice(0, limit).map((row) => toSession(row, region.code, clock()))
  return { data, next_cursor: rows.length > limit ? (data.at(-1)?.id ?? null) : null }
}

const reaching = ({ tenant, externalUser, sandbox }: Reach): SQL[] => [
  eq(usageInterval.tenant, tenant),
  ...(externalUser === null ? [] : [eq(usageInterval.externalUser, externalUser)]),
  ...(sandbox === null ? [] : [eq(usageInterval.sandbox, sandbox)]),
]

/** As text these ids stand in the order of time over all regions, which is how the edge joins the lists of several. */
const ID_DIGITS = 12
const idOf = (row: Pick<Interval, 'openedAt' | 'id'>, region: string): string =>
  `${row.openedAt.toISOString()}.${region}.${String(row.id).padStart(ID_DIGITS, '0')}`

const CURSOR = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)\.([a-z][a-z0-9]{1,5})\.(\d{12})$/

function placeOf(cursor: string): Place {
  const [, openedAt = '', region = '', id = ''] = CURSOR.exec(cursor) ?? []
  const at = new Date(openedAt)
  if (Number.isNaN(at.getTime())) throw notACursor()
  return { openedAt: at, region, id: Number(id) }
}

/** What comes after that place in the order of ids, said such that the index by time can be used. */
const below = (place: Place, region: string): SQL[] => [
  lte(usageInterval.openedAt, place.openedAt),
  sql`(${usageInterval.openedAt}, ${region}::text collate "C", ${usageInterval.id}) < (${place.openedAt.toISOString()}::timestamptz, ${place.region}::text collate "C", ${place.id}::bigint)`,
]

const toSession = (row: Interval, region: string, nowMs: number): UsageSession => ({
  id: idOf(row, region),
  sandbox_id: row.sandbox,
  workspace_id: row.workspace,
  external_user_id: row.externalUser,
  region,
  state: row.state,
  cpu_count: row.vcpus,
  memory_mb: row.memoryMib,
  disk_size_mb: row.diskMib,
  started_at: row.openedAt.toISOString(),
  ended_at: row.closedAt?.toISOString() ?? null,
  duration_sec: Math.max(0, (row.closedAt?.getTime() ?? nowMs) - row.openedAt.getTime()) / 1_000,
})
