/** What was taken over of where sandboxes went, as far as it exists for whoever asks. */
import { and, desc, eq, gt, inArray, lt, ne, type SQL, sql } from 'drizzle-orm'
import type {
  AuditQuery,
  AuditRecord,
  SuggestionRecord,
  SuggestionsQuery,
} from '../../../shared/contracts/egress-audit.ts'
import { parseId } from '../../../shared/ids.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Db } from '../database/connect.ts'
import { type AuditRow, egressAudit } from '../database/schema/egress.ts'
import { sandbox } from '../database/schema/sandboxes.ts'
import { notACursor } from '../not-a-cursor.ts'
import type { Reach } from '../sandboxes/find-sandbox.ts'
import { cut, noSuch } from './rows-of-tenant.ts'

export const toAuditRecord = (row: AuditRow): AuditRecord => ({
  id: row.id,
  resource_id: row.sandbox,
  resource_type: 'sandbox',
  external_user_id: row.externalUser,
  host: row.host,
  port: row.port,
  method: row.method,
  path: row.path,
  action: row.action,
  reason: row.reason,
  rule_id: row.rule,
  bytes_up: row.bytesUp,
  bytes_down: row.bytesDown,
  missed: row.missed,
  timestamp: row.at.toISOString(),
  inserted_at: row.insertedAt.toISOString(),
})

const within = ({ tenant, externalUser, sandbox }: Reach): SQL[] => [
  eq(egressAudit.tenant, tenant),
  ...(externalUser === null ? [] : [eq(egressAudit.externalUser, externalUser)]),
  ...(sandbox === null ? [] : [eq(egressAudit.sandbox, sandbox)]),
]
type Narrowing = typeof egressAudit.host | typeof egressAudit.sandbox | typeof egressAudit.externalUser
/** No store takes NUL, so nothing has it. */
const same = (column: Narrowing, wanted: string | undefined): SQL[] =>
  wanted === undefined ? [] : [wanted.includes('\0') ? sql`false` : eq(column, wanted)]

const ofWorkspace = (db: Db, tenant: string, wanted: string | undefined): SQL[] =>
  wanted === undefined
    ? []
    : [
        inArray(
          egressAudit.sandbox,
          db
            .select({ id: sandbox.id })
            .from(sandbox)
            .where(and(eq(sandbox.tenant, tenant), eq(sandbox.externalWorkspaceId, wanted))),
        ),
      ]

/** Newest first. The cursor may be another region's: it is a place in time, for lists over regions. Throws invalid_request. */
export async function listAudit(db: Db, reach: Reach, query: AuditQuery) {
  if (query.cursor !== undefined && parseId(query.cursor, 'aud') === null) throw notACursor()
  const limit = query.limit ?? LIMITS.listRowsMax
  const found = await db
    .select()
    .from(egressAudit)
    .where(
      and(
        ...within(reach),
        ...same(egressAudit.sandbox, query.resource_id),
        ...same(egressAudit.externalUser, query.external_user_id),
        ...ofWorkspace(db, reach.tenant, query.external_workspace_id),
        ...same(egressAudit.host, query.host?.toLowerCase()),
        ...(query.action === undefined ? [] : [eq(egressAudit.action, query.action)]),
        ...(query.since === undefined ? [] : [gt(egressAudit.insertedAt, new Date(query.since))]),
        ...(query.until === undefined ? [] : [lt(egressAudit.insertedAt, new Date(query.until))]),
        ...(query.cursor === undefined ? [] : [lt(egressAudit.id, query.cursor)]),
      ),
    )
    .orderBy(desc(egressAudit.id))
    .limit(limit + 1)
  return cut(found, { limit })
}

/** Throws not_found. */
export async function findAudit(db: Db, reach: Reach, id: string): Promise<AuditRow> {
  if (parseId(id, 'aud') === null) throw noSuch('entry')
  const [row] = await db
    .select()
    .from(egressAudit)
    .where(and(...within(reach), eq(egressAudit.id, id)))
  if (row === undefined) throw noSuch('entry')
  return row
}

/** What was, or would have been, refused because nothing allows it; not what a rule denies or no rule can allow. */
const FOR_WANT_OF_A_RULE = sql`(${egressAudit.reason} = 'default' and ${egressAudit.action} = 'denied'
  or ${egressAudit.reason} = 'audit_only' and ${egressAudit.rule} is null)`

export async function suggestHosts(db: Db, reach: Reach, query: SuggestionsQuery): Promise<SuggestionRecord[]> {
  const count = sql<number>`count(*)`.mapWith(Number)
  const rows = await db
    .select({
      id: sql<string>`max(${egressAudit.id})`,
      host: egressAudit.host,
      port: egressAudit.port,
      count,
      last: sql<Date>`max(${egressAudit.insertedAt})`.mapWith(egressAudit.insertedAt),
    })
    .from(egressAudit)
    .where(
      and(
        ...within(reach),
        ...same(egressAudit.sandbox, query.resource_id),
        ne(egressAudit.host, ''),
        gt(egressAudit.insertedAt, sql`now() - make_interval(secs => ${LIMITS.egressSuggestionsMs / 1_000})`),
        FOR_WANT_OF_A_RULE,
      ),
    )
    .groupBy(egressAudit.host, egressAudit.port)
    .orderBy(desc(sql`max(${egressAudit.id})`))
    .limit(LIMITS.egressSuggestionsMax)
  return rows.map(({ last, ...row }) => ({ ...row, effect: 'allow', last_seen_at: last.toISOString() }))
}
