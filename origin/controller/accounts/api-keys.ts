/**
 * Direct callers: an API key in the Authorization header, known here only by its keyed hash.
 *
 * A record is kept for LIMITS.keyCacheMs, so a revoked key may still read for that long. It changes nothing any more: what
 * changes something asks for the key's standing again in its own statement.
 */
import { createHmac } from 'node:crypto'
import { eq, sql } from 'drizzle-orm'
import { type KeyLimits, tighten } from '../../../shared/accounts.ts'
import { AppError } from '../../../shared/errors.ts'
import { isWellFormedApiKey } from '../../../shared/ids.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Db } from '../database/connect.ts'
import { apiKey, tier } from '../database/schema/accounts.ts'
import { nothingExecuted } from '../database/send-statement.ts'
import { type Principal, revoked, unknown } from './principal.ts'

export type KeyReader = (authorization: string | undefined) => Promise<Principal>

type KeyFacts = Omit<Principal, 'externalMax' | 'sandbox'> & {
  keyLimits: KeyLimits | null
  status: 'active' | 'revoked'
  expiresAt: Date | null
}
type Entry = { until: number; facts: Promise<KeyFacts | undefined> }

export const hashKey = (pepper: string, key: string): string => createHmac('sha256', pepper).update(key).digest('hex')

export function createKeyReader(db: Db, pepper: string, clock: () => number): KeyReader {
  const find = prepareFind(db)
  const cache = new Map<string, Entry>()

  const lookUp = (hash: string): Promise<KeyFacts | undefined> => {
    const now = clock()
    const cached = cache.get(hash)
    if (cached !== undefined && cached.until > now) return cached.facts
    const facts = find.execute({ hash }).then(
      (rows) => rows[0],
      (thrown: unknown) => {
        // Whoever is asking for whatever: it has not begun.
        throw nothingExecuted(thrown)
      },
    )
    // A failed look-up must not be remembered: the database may be back at once.
    facts.catch(() => cache.delete(hash))
    cache.delete(hash)
    cache.set(hash, { until: now + LIMITS.keyCacheMs, facts })
    if (cache.size > LIMITS.keyCacheEntriesMax) cache.delete(cache.keys().next().value ?? hash)
    return facts
  }

  return async (authorization) => {
    const key = bearerOf(authorization)
    if (!isWellFormedApiKey(key)) throw new AppError('invalid_token', 'This is not an API key of ours.')
    const facts = await lookUp(hashKey(pepper, key))
    if (facts === undefined) throw unknown()
    if (facts.status !== 'active' || (facts.expiresAt !== null && facts.expiresAt.getTime() <= clock())) throw revoked()
    return principalOf(facts)
  }
}

function principalOf({ key, tenant, tier, scopes, limits, keyLimits, externalUser }: KeyFacts): Principal {
  return {
    key,
    tenant,
    tier,
    scopes,
    limits: tighten(limits, keyLimits),
    externalUser,
    externalMax: externalUser === null ? null : (keyLimits?.concurrency ?? null),
    sandbox: null,
  }
}

/** The credential of an Authorization header. Throws when there is none, or when it is of another scheme. */
export function bearerOf(authorization: string | undefined): string {
  if (authorization === undefined || authorization.trim() === '')
    throw new AppError('missing_token', 'There is no API key in this request.')
  const match = /^Bearer +(\S+)$/i.exec(authorization.trim())
  if (match?.[1] === undefined) throw new AppError('invalid_token', 'The Authorization header should be "Bearer KEY".')
  return match[1]
}

const prepareFind = (db: Db) =>
  db
    .select({
      key: apiKey.id,
      tenant: apiKey.tenant,
      tier: apiKey.tier,
      scopes: apiKey.scopes,
      status: apiKey.status,
      expiresAt: apiKey.expiresAt,
      externalUser: apiKey.externalUser,
      keyLimits: apiKey.limits,
      limits: {
        concurrency: tier.concurrency,
        requestsPerMinute: tier.requestsPerMinute,
        maxSize: tier.maxSize,
        maxTimeoutSec: tier.maxTimeoutSec,
        maxBodyMib: tier.maxBodyMib,
      },
    })
    .from(apiKey)
    .innerJoin(tier, eq(tier.name, apiKey.tier))
    .where(eq(apiKey.hash, sql.placeholder('hash')))
    .prepare('find_key')
