/** The key that asks for a change of accounts, as it is inside the transaction of the change: whatever it makes is nowhere wider than itself. */
import { and, eq, sql } from 'drizzle-orm'
import { apiKey } from '../database/schema/accounts.ts'
import { type KeyStanding, type Principal, requireOwner, requireStanding, unknown } from './principal.ts'
import type { AccountTx } from './write-account.ts'

export type KeyRow = typeof apiKey.$inferSelect

/** Throws owner_key_required, invalid_token or revoked_token. */
export async function actingKey(tx: AccountTx, principal: Principal): Promise<KeyRow> {
  requireOwner(principal)
  const [found] = await tx
    .select({ row: apiKey, standing: sql<KeyStanding>`standing_of_key(${apiKey.id}, ${apiKey.tenant})` })
    .from(apiKey)
    .where(and(eq(apiKey.id, principal.key), eq(apiKey.tenant, principal.tenant)))
  if (found === undefined) throw unknown()
  requireStanding(found.standing)
  return found.row
}
