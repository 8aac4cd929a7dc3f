/** The one table of sandboxes. What follows from a change of a row is done by the trigger `sandbox_follow`, so that no writer can forget it. */
import { getTableColumns, type SQL, sql } from 'drizzle-orm'
import { bigint, boolean, index, integer, jsonb, pgSequence, pgTable, text, uniqueIndex } from 'drizzle-orm/pg-core'
import type { BOOT_PATHS } from '../../../../shared/contracts/host.ts'
import type { EgressWish } from '../../../../shared/egress-wish.ts'
import type { SandboxState } from '../../../../shared/lifecycle.ts'
import { tenant, workspace } from './accounts.ts'
import { host } from './hosts.ts'
import { moment } from './moment.ts'

/** Numbers the controllers of a region, so that a row can say whose request made it; see instance.ts. */
export const controllerInstance = pgSequence('controller_instance', { maxValue: 2_147_483_647, cycle: true })

export const sandbox = pgTable(
  'sandbox',
  {
    id: text().primaryKey(),
    tenant: text()
      .notNull()
      .references(() => tenant.id),
    name: text(),
    /** A label of the caller's own; nothing is found by it. Null is the one made from the id. */
    slug: text(),
    state: text().$type<SandboxState>().notNull(),
    revision: integer().notNull(),
    host: text()
      .notNull()
      .references(() => host.id),
    /** The controller that is carrying out the last request on this sandbox; see instance.ts. */
    instance: integer().notNull(),
    template: text().notNull(),
    vcpus: integer().notNull(),
    memoryMib: integer('memory_mib').notNull(),
    diskMib: integer('disk_mib').notNull(),
    timeoutSec: integer('timeout_sec').notNull(),
    idleTimeoutSec: integer('idle_timeout_sec').notNull(),
    alwaysOn: boolean('always_on').notNull(),
    persistent: boolean().notNull(),
    env: jsonb().$type<Record<string, string>>().notNull(),
    metadata: jsonb().$type<Record<string, unknown>>().notNull(),
    tags: text().array().notNull(),
    externalWorkspaceId: text('external_workspace_id'),
    externalUserId: text('external_user_id'),
    externalProjectId: text('external_project_id'),
    /** Null is the tenant's default one. */
    workspace: text().references(() => workspace.id),
    /** What of its way out it was made with; null is nothing of its own. */
    egress: jsonb().$type<EgressWish>(),
    /** Of what its host was last told, or is being told, of its way out; null is nothing yet. */
    egressRevision: integer('egress_revision'),
    egressMark: text('egress_mark'),
    /** How far what it was told goes by the accounts. */
    egressVersion: bigint('egress_version', { mode: 'number' }),
    /** The first child of the fork that made it; null was not made by one. */
    fork: text(),
    /** The sandbox that is to get its machine, from before the host is asked for it. */
    mergeInto: text('merge_into'),
    bootPath: text('boot_path').$type<(typeof BOOT_PATHS)[number]>(),
    bootMs: integer('boot_ms'),
    lastError: text('last_error'),
    createdAt: moment('created_at').notNull(),
    changedAt: moment('changed_at').notNull(),
    /** When it last began to run. */
    startedAt: moment('started_at'),
    /** How long it ran before that; null is not at all. */
    runtimeMs: bigint('runtime_ms', { mode: 'number' }),
    readyAt: moment('ready_at'),
    expiresAt: moment('expires_at'),
    destroyedAt: moment('destroyed_at'),
    /** When the host confirmed that nothing is left of it. Until then it holds room there, whatever its state. */
    releasedAt: moment('released_at'),
  },
  (table) => [
    uniqueIndex('sandbox_name')
      .on(table.tenant, table.name)
      .where(sql`${table.name} is not null and ${table.state} not in ('destroyed', 'error')`),
    // Finding by name looks at failed ones, too, and they pile up.
    index('sandbox_named')
      .on(table.tenant, table.name)
      .where(sql`${table.name} is not null and ${table.state} <> 'destroyed'`),
    index('sandbox_list').on(table.tenant, table.id).where(sql`${table.state} <> 'destroyed'`),
    index('sandbox_list_destroyed').on(table.tenant, table.id).where(sql`${table.state} = 'destroyed'`),
    // How many a tenant's own user has running, counted when one more is asked for.
    index('sandbox_external_user')
      .on(table.tenant, table.externalUserId)
      .where(sql`${table.externalUserId} is not null and ${table.state} <> 'destroyed'`),
    index('sandbox_workspace')
      .on(table.tenant, table.workspace, table.id)
      .where(sql`${table.workspace} is not null and ${table.state} <> 'destroyed'`),
    index('sandbox_tags')
      .using('gin', table.tags)
      .where(sql`cardinality(${table.tags}) > 0 and ${table.state} <> 'destroyed'`),
    // What ended long ago is forgotten in this order.
    index('sandbox_ended').on(table.changedAt).where(sql`${table.releasedAt} is not null`),
    index('sandbox_fork').on(table.fork).where(sql`${table.fork} is not null`),
    index('sandbox_holding').on(table.host).where(sql`${table.releasedAt} is null`),
  ],
)

/** Of the row's workspace. Written out, because the name of a table is left away where a statement changes only that one. */
const ofWorkspace = (column: 'slug' | 'name') =>
  sql.raw(`(select w.${column} from workspace w where w.id = sandbox.workspace)`) as SQL<string | null>

/** The port that was opened first, of those that are open. */
const FIRST_PREVIEW = sql.raw(
  '(select p.port from preview p where p.sandbox = sandbox.id order by p.created_at, p.port limit 1)',
) as SQL<number | null>

/** What is read of a row: all but the environment, which may be long and secret, and which only a start needs. */
const { env: _, ...columns } = getTableColumns(sandbox)
export const SANDBOX_COLUMNS = {
  ...columns,
  workspaceSlug: ofWorkspace('slug'),
  workspaceName: ofWorkspace('name'),
  previewPort: FIRST_PREVIEW,
}
export type SandboxRow = Omit<typeof sandbox.$inferSelect, 'env'> & {
  workspaceSlug: string | null
  workspaceName: string | null
  previewPort: number | null
}

/** What a call into a sandbox goes by. Each call reads it, so there is no more of it than that: the whole row takes twice as long. */
export const CALLED_COLUMNS = {
  id: columns.id,
  tenant: columns.tenant,
  state: columns.state,
  revision: columns.revision,
  host: columns.host,
  template: columns.template,
  externalUserId: columns.externalUserId,
  lastError: columns.lastError,
}
export type CalledRow = Pick<SandboxRow, keyof typeof CALLED_COLUMNS>
