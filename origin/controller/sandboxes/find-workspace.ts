/** Which of the tenant's workspaces a create names. */
import { and, eq } from 'drizzle-orm'
import type { CreateSandboxBody } from '../../../shared/contracts/sandbox-bodies.ts'
import { AppError } from '../../../shared/errors.ts'
import type { Db } from '../database/connect.ts'
import { workspace } from '../database/schema/accounts.ts'

type Named = Pick<CreateSandboxBody, 'workspace_id' | 'workspace_slug' | 'workspace_name'>

/** Its id, or null when none is named. Throws workspace_not_found, also when several have the name. */
export async function findWorkspace(db: Db, tenant: string, named: Named): Promise<string | null> {
  const wanted = wantedBy(named)
  if (wanted === null) return null
  const found = await db
    .select({ id: workspace.id })
    .from(workspace)
    .where(and(eq(workspace.tenant, tenant), eq(workspace.status, 'active'), wanted))
    .limit(2)
  const [only] = found
  if (only !== undefined && found.length === 1) return only.id
  throw new AppError(
    'workspace_not_found',
    found.length === 0 ? 'You have no such workspace.' : 'Several of your workspaces have this name.',
  )
}

function wantedBy({ workspace_id, workspace_slug, workspace_name }: Named) {
  if (workspace_id !== undefined) return eq(workspace.id, workspace_id)
  if (workspace_slug !== undefined) return eq(workspace.slug, workspace_slug)
  return workspace_name === undefined ? null : eq(workspace.name, workspace_name)
}
