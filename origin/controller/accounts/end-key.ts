/** Ending a key, or a secret of it. What is ended stays: as a row, and as `revoked` at the edge. */
import { and, eq } from 'drizzle-orm'
import { AppError } from '../../../shared/errors.ts'
import type { Controller } from '../controller.ts'
import { apiKey, retiredSecret } from '../database/schema/accounts.ts'
import type { KeyRow } from './acting-key.ts'
import { findKeyOfTenant, noSuchKey } from './find-keys.ts'
import { type NewKey, newSecret, prefixOf, requireNoWider, withSecret } from './make-key.ts'
import type { AccountTx } from './write-account.ts'

/** Safe to repeat: a key that was revoked stays as it is. Throws not_found. */
export async function revokeKey(tx: AccountTx, version: number, tenant: string, id: string): Promise<void> {
  const ended = await tx
    .update(apiKey)
    .set({ status: 'revoked', version })
    .where(and(eq(apiKey.tenant, tenant), eq(apiKey.id, id)))
    .returning({ id: apiKey.id })
  if (ended.length === 0) throw noSuchKey()
}

/** Throws what requireNoWider throws, and not_found, also for a key that has ended: it gets no new secret. */
export async function rotateKey(
  { accounts, clock, random }: Pick<Controller, 'accounts' | 'clock' | 'random'>,
  tx: AccountTx,
  version: number,
  actor: KeyRow,
  { tenant, id, graceSec }: { tenant: string; id: string; graceSec: number },
): Promise<NewKey> {
  const { row: old, limits } = await findKeyOfTenant(tx, tenant, id)
  if (old.status !== 'active') throw new AppError('not_found', 'This API key was revoked; make a new one.')
  requireNoWider(actor, old, limits)
  const expiresAt = new Date(clock() + graceSec * 1_000)
  await tx.insert(retiredSecret).values({ hash: old.hash, key: old.id, keyVersion: old.keyVersion, expiresAt, version })
  const secret = newSecret(random)
  const changes = {
    hash: accounts.secrets.hashKey(secret),
    prefix: prefixOf(secret),
    keyVersion: old.keyVersion + 1,
    version,
  }
  const [row] = await tx.update(apiKey).set(changes).where(eq(apiKey.id, id)).returning()
  if (row === undefined) throw noSuchKey()
  return withSecret(row, limits, secret, clock())
}
