/**
 * Which secrets of a tenant a sandbox has. Pure.
 *
 *   bound to it, or made for it       always
 *   made for a user or a workspace    when the sandbox belongs to exactly those
 *   made for nobody in particular     when the sandbox belongs to none of the tenant's users, unless its scope is `tenant`
 */
import { LIMITS } from '../../../shared/limits.ts'
import type { BindingRow, SecretRow } from '../database/schema/egress.ts'

/** Of a sandbox, what decides. */
export type Owner = {
  id: string
  workspace: string | null
  externalUserId: string | null
  externalWorkspaceId: string | null
}
export type HeldSecret = { secret: SecretRow; exposeAsEnv: string | null }

/** Of every sandbox of the tenant. */
export const TENANT_SCOPE = 'tenant'

/** Those that are meant for it alone come first, and the bound on their number cuts off the others. */
export function applicableSecrets(
  owner: Owner,
  held: { secrets: readonly SecretRow[]; bindings: readonly BindingRow[]; carried: readonly string[] },
  nowMs: number,
): HeldSecret[] {
  const bindings = new Map(
    held.bindings.filter(({ resource }) => resource === owner.id).map((binding) => [binding.secret, binding]),
  )
  const carried = new Set(held.carried)
  const isOwn = ({ id, resource }: SecretRow): boolean => bindings.has(id) || carried.has(id) || resource === owner.id
  return held.secrets
    .filter((secret) => isUsable(secret, nowMs) && (isOwn(secret) || isForOwner(secret, owner)))
    .toSorted((one, other) => Number(isOwn(other)) - Number(isOwn(one)) || (one.id < other.id ? 1 : -1))
    .slice(0, LIMITS.egressSecretsMax)
    .map((secret) => ({ secret, exposeAsEnv: bindings.get(secret.id)?.exposeAsEnv ?? secret.exposeAsEnv }))
}

const isUsable = ({ value, deletedAt, expiresAt }: SecretRow, nowMs: number): boolean =>
  value !== '' && deletedAt === null && (expiresAt === null || expiresAt.getTime() > nowMs)

function isForOwner(secret: SecretRow, owner: Owner): boolean {
  if (secret.resource !== null) return false
  const isOfWorkspace =
    (secret.workspaceId === null || secret.workspaceId === owner.workspace) &&
    (secret.externalWorkspaceId === null || secret.externalWorkspaceId === owner.externalWorkspaceId)
  const isOfUser =
    secret.externalUserId === owner.externalUserId || (secret.externalUserId === null && secret.scope === TENANT_SCOPE)
  return isOfWorkspace && isOfUser
}

/** What the processes of the sandbox find in their environment: placeholders, which are worth nothing outside of it. */
export function exposedEnv(held: readonly HeldSecret[]): Record<string, string> {
  const env: Record<string, string> = {}
  for (const { secret, exposeAsEnv } of held)
    if (exposeAsEnv !== null && !Object.hasOwn(env, exposeAsEnv)) env[exposeAsEnv] = secret.placeholder
  return env
}
