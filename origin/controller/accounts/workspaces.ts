/** Workspaces of one tenant. A slug is given once and never to another: it stands in bills, and copies in other regions may lag. */
import { and, count, desc, eq, lt, or } from 'drizzle-orm'
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Db } from '../database/connect.ts'
import { workspace } from '../database/schema/accounts.ts'
import { notACursor } from '../not-a-cursor.ts'
import { newAccountId } from './account-id.ts'
import type { AccountTx } from './write-account.ts'

export type WorkspaceRow = typeof workspace.$inferSelect

export const workspaceAnswer = ({ id, slug, name, createdAt }: WorkspaceRow) => ({
  id,
  slug,
  name,
  created_at: createdAt.toISOString(),
})

/** Also one that was deleted. */
const everOf = (tenant: string, id: string) => and(eq(workspace.tenant, tenant), eq(workspace.id, id))
const living = (tenant: string) => and(eq(workspace.tenant, tenant), eq(workspace.status, 'active'))
const named = (tenant: string, reference: string) =>
  and(living(tenant), or(eq(workspace.id, reference), eq(workspace.slug, reference)))

export async function findWorkspace(db: Pick<Db, 'select'>, tenant: string, reference: string): Promise<WorkspaceRow> {
  const [found] = await db.select().from(workspace).where(named(tenant, reference))
  if (found === undefined) throw noSuchWorkspace()
  return found
}

/** Newest first; the cursor is the id of the last. Throws invalid_request for one that never was a workspace of theirs. */
export async function listWorkspaces(db: Db, tenant: string, page: { limit: number; cursor?: string | undefined }) {
  if (page.cursor !== undefined && (await db.$count(workspace, everOf(tenant, page.cursor))) === 0) throw notACursor()
  const found = await db
    .select()
    .from(workspace)
    .where(and(living(tenant), ...(page.cursor === undefined ? [] : [lt(workspace.id, page.cursor)])))
    .orderBy(desc(workspace.id))
    .limit(page.limit + 1)
  const rows = found.slice(0, page.limit)
  return { rows, nextCursor: found.length > page.limit ? (rows.at(-1)?.id ?? null) : null }
}

/** A deleted workspace of the same slug comes back. Throws already_exists, account_limit. */
export async function makeWorkspace(
  tx: AccountTx,
  wish: { tenant: string; slug: string; name: string; nowMs: number; version: number },
): Promise<WorkspaceRow> {
  const { tenant, slug, name, nowMs, version } = wish
  await requireRoom(tx, tenant)
  const [made] = await tx
    .insert(workspace)
    .values({ id: newAccountId('wsp', nowMs), tenant, slug, name, createdAt: new Date(nowMs), version })
    .onConflictDoUpdate({
      target: [workspace.tenant, workspace.slug],
      set: { status: 'active', name, version },
      setWhere: eq(workspace.status, 'deleted'),
    })
    .returning()
  if (made === undefined) throw new AppError('already_exists', `There is a workspace with the slug ${slug} already.`)
  return made
}

export async function changeWorkspace(
  tx: AccountTx,
  version: number,
  place: { tenant: string; reference: string },
  changes: { name: string } | { status: 'deleted' },
): Promise<WorkspaceRow> {
  const [changed] = await tx
    .update(workspace)
    .set({ ...changes, version })
    .where(named(place.tenant, place.reference))
    .returning()
  if (changed === undefined) throw noSuchWorkspace()
  return changed
}

async function requireRoom(tx: AccountTx, tenant: string): Promise<void> {
  const [found] = await tx.select({ workspaces: count() }).from(workspace).where(living(tenant))
  if ((found?.workspaces ?? 0) >= LIMITS.workspacesMax)
    throw new AppError('account_limit', `A tenant may have ${LIMITS.workspacesMax} workspaces.`)
}

const noSuchWorkspace = (): AppError => new AppError('not_found', 'There is no such workspace.')
