/** Permissions to join the region, each good once. Only the hash of one is kept, and what it is for: a tenant's own machine, or all. */
import { and, count, eq, isNull, sql } from 'drizzle-orm'
import { AppError } from '../../../shared/errors.ts'
import { newJoinToken } from '../../../shared/ids.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { sha256Hex } from '../accounts/edge-tokens.ts'
import type { Controller } from '../controller.ts'
import { tenant } from '../database/schema/accounts.ts'
import { hostToken } from '../database/schema/hosts.ts'

const TOKEN_BYTES = 32

export type IssuedToken = { token: string; expiresAt: Date }

/** `owner` is the tenant whose own machine will join with it, or null for a machine for all. */
export async function issueJoinToken(
  { database: { db }, random }: Controller,
  owner: string | null,
  ttlSec: number,
): Promise<IssuedToken> {
  const token = newJoinToken(random(TOKEN_BYTES))
  const hash = sha256Hex(token)
  const expiresAt = await db.transaction(async (tx) => {
    // Those who ask at once take turns, so that the bound is exact; a sandbox of the tenant may be made meanwhile.
    if (owner !== null) await tx.select({ id: tenant.id }).from(tenant).where(eq(tenant.id, owner)).for('no key update')
    const [open] = await tx
      .select({ tokens: count() })
      .from(hostToken)
      .where(
        and(
          owner === null ? isNull(hostToken.tenant) : eq(hostToken.tenant, owner),
          isNull(hostToken.usedAt),
          sql`${hostToken.expiresAt} > clock_timestamp()`,
        ),
      )
    if ((open?.tokens ?? 0) >= LIMITS.joinTokensPerTenantMax)
      throw new AppError('host_limit', `There are ${LIMITS.joinTokensPerTenantMax} join tokens that were not used yet.`)
    const [made] = await tx
      .insert(hostToken)
      .values({ id: hash, hash, tenant: owner, expiresAt: sql`clock_timestamp() + make_interval(secs => ${ttlSec})` })
      .returning({ expiresAt: hostToken.expiresAt })
    return made?.expiresAt
  })
  if (expiresAt === undefined) throw new Error('A join token was not written.')
  return { token, expiresAt }
}
