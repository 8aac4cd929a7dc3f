/**
 * What is known of a key by the hash of its secret, kept for LIMITS.keyCacheMs or until this process hears that accounts have changed.
 *
 * So a revoked key may still read for a moment. It changes nothing any more: what changes something asks for the key's standing
 * again in its own statement.
 */
import { and, eq, sql } from 'drizzle-orm'
import type { KeyLimits, Tier } from '../../../shared/accounts.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Db } from '../database/connect.ts'
import { apiKey, retiredSecret, tenant, tier } from '../database/schema/accounts.ts'
import { nothingExecuted } from '../database/send-statement.ts'
import { revoked, suspended, unknown } from './principal.ts'

export type KeyFacts = {
  key: string
  tenant: string
  tier: string
  scopes: string[]
  status: 'active' | 'revoked'
  tenantStatus: 'active' | 'suspended'
  /** The earlier of the ends of the key and of this secret of it. */
  expiresAt: Date | null
  pin: string | null
  /** Which of the key's secrets this is. */
  keyVersion: number
  externalUser: string | null
  keyLimits: KeyLimits | null
  limits: Tier
}

export type KeyFinder = {
  /** Throws region_unavailable when the database does not answer. */
  find(hash: string): Promise<KeyFacts | undefined>
  /** The same, past the copies. */
  findNow(hash: string): Promise<KeyFacts | undefined>
  forget(): void
}

type Entry = { until: number; facts: Promise<KeyFacts | undefined> }

export function createKeyFinder(db: Db, clock: () => number): KeyFinder {
  const query = prepareFind(db)
  const cache = new Map<string, Entry>()

  const findNow = (hash: string): Promise<KeyFacts | undefined> =>
    query.execute({ hash }).then(
      (rows) => rows[0],
      (thrown: unknown) => {
        // Whoever is asking for whatever: it has not begun.
        throw nothingExecuted(thrown)
      },
    )
  return {
    findNow,
    find(hash) {
      const now = clock()
      const cached = cache.get(hash)
      if (cached !== undefined && cached.until > now) return cached.facts
      const facts = findNow(hash)
      // A failed look-up must not be remembered: the database may be back at once.
      facts.catch(() => cache.delete(hash))
      cache.delete(hash)
      cache.set(hash, { until: now + LIMITS.keyCacheMs, facts })
      if (cache.size > LIMITS.keyCacheEntriesMax) cache.delete(cache.keys().next().value ?? hash)
      return facts
    },
    forget: () => cache.clear(),
  }
}

/** Throws invalid_token, revoked_token or tenant_suspended. */
export function requireUsable(facts: KeyFacts | undefined, nowMs: number): KeyFacts {
  if (facts === undefined) throw unknown()
  if (facts.tenantStatus !== 'active') throw suspended()
  if (facts.status !== 'active' || (facts.expiresAt !== null && facts.expiresAt.getTime() <= nowMs)) throw revoked()
  return facts
}

/** By a subquery that finds one id, so that both indexes of hashes serve and no join reads a table. */
const prepareFind = (db: Db) =>
  db
    .select({
      key: apiKey.id,
      tenant: apiKey.tenant,
      tier: apiKey.tier,
      scopes: apiKey.scopes,
      status: apiKey.status,
      tenantStatus: tenant.status,
      expiresAt: sql<Date | null>`least(${apiKey.expiresAt}, ${retiredSecret.expiresAt})`.mapWith(apiKey.expiresAt),
      pin: apiKey.pin,
      keyVersion: sql<number>`coalesce(${retiredSecret.keyVersion}, ${apiKey.keyVersion})`,
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
    .innerJoin(tenant, eq(tenant.id, apiKey.tenant))
    .innerJoin(tier, eq(tier.name, apiKey.tier))
    .leftJoin(retiredSecret, and(eq(retiredSecret.hash, sql.placeholder('hash')), eq(retiredSecret.key, apiKey.id)))
    .where(
      sql`${apiKey.id} = (select id from api_key where hash = ${sql.placeholder('hash')}
        union all select key from retired_secret where hash = ${sql.placeholder('hash')} limit 1)`,
    )
    .prepare('find_key')
