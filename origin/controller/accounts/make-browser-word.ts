/** Words for browsers, made for whoever asks with a key: never more than the caller may, never for another user or sandbox than its own. */
import { and, eq, sql } from 'drizzle-orm'
import { requireScope, type Scope } from '../../../shared/accounts.ts'
import { AppError } from '../../../shared/errors.ts'
import type { Db } from '../database/connect.ts'
import { apiKey, retiredSecret } from '../database/schema/accounts.ts'
import type { Word } from './browser-tokens.ts'
import { type KeyStanding, type Principal, requireStanding, unknown } from './principal.ts'

export type WordWish = {
  scopes: readonly Scope[]
  sandbox?: string | undefined
  externalUser?: string | undefined
}

/** Throws insufficient_scope, owner_key_required, sandbox_not_found, revoked_token. */
export async function wordFor(db: Db, principal: Principal, wish: WordWish): Promise<Word> {
  for (const scope of wish.scopes) requireScope(principal, scope)
  const externalUser = wish.externalUser ?? principal.externalUser ?? undefined
  if (principal.externalUser !== null && externalUser !== principal.externalUser)
    throw new AppError('owner_key_required', 'A key that was made for an end user speaks for no other.')
  const sandbox = wish.sandbox ?? principal.sandbox ?? undefined
  if (principal.sandbox !== null && sandbox !== principal.sandbox)
    throw new AppError('sandbox_not_found', 'There is no such sandbox.')
  return {
    ...(await secretOf(db, principal)),
    scopes: [...wish.scopes],
    ...(externalUser === undefined ? {} : { externalUser }),
    ...(sandbox === undefined ? {} : { sandbox }),
  }
}

/**
 * The secret that was shown, so that the word ends with it and not with the key's next one. Asked of the database, because a key that
 * was revoked a moment ago may make nothing that outlives it.
 */
async function secretOf(
  db: Db,
  { key, keyVersion, tenant }: Principal,
): Promise<Pick<Word, 'sub' | 'keyHash' | 'keyVersion'>> {
  const [found] = await db
    .select({
      hash: apiKey.hash,
      current: apiKey.keyVersion,
      retired: retiredSecret.hash,
      standing: sql<KeyStanding>`standing_of_key(${apiKey.id}, ${apiKey.tenant})`,
    })
    .from(apiKey)
    .leftJoin(retiredSecret, and(eq(retiredSecret.key, apiKey.id), eq(retiredSecret.keyVersion, keyVersion)))
    .where(and(eq(apiKey.id, key), eq(apiKey.tenant, tenant)))
  if (found === undefined) throw unknown()
  requireStanding(found.standing)
  const keyHash = found.current === keyVersion ? found.hash : found.retired
  // A secret that neither is nor was: its region has not heard yet.
  if (keyHash === null) throw unknown()
  return { sub: key, keyHash, keyVersion }
}
