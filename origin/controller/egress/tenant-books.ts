/**
 * What tenants say of all their sandboxes, kept for a moment or until this process hears that accounts have changed, so that a create asks
 * the database for it no more than for the key. What is made of an old copy is set right by the reconciler.
 */
import { LIMITS } from '../../../shared/limits.ts'
import type { Db } from '../database/connect.ts'
import { nothingExecuted } from '../database/send-statement.ts'
import type { EgressBook } from './effective-policy.ts'
import { readBook } from './read-book.ts'

export type TenantBooks = {
  /** Throws region_unavailable when the database does not answer. */
  of(tenant: string): Promise<EgressBook>
  forget(): void
}

type Entry = { until: number; book: Promise<EgressBook> }

export function createTenantBooks(db: Db, clock: () => number): TenantBooks {
  const kept = new Map<string, Entry>()
  return {
    of(tenant) {
      const now = clock()
      const entry = kept.get(tenant)
      if (entry !== undefined && entry.until > now) return entry.book
      const book = readBook(db, tenant, null).catch((thrown: unknown) => {
        kept.delete(tenant)
        throw nothingExecuted(thrown)
      })
      kept.delete(tenant)
      kept.set(tenant, { until: now + LIMITS.keyCacheMs, book })
      if (kept.size > LIMITS.keyCacheEntriesMax) kept.delete(kept.keys().next().value ?? tenant)
      return book
    },
    forget: () => kept.clear(),
  }
}
