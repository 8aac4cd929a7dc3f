/** When keys were last used, to the minute: noted in memory by every request, written once a minute, and never on a request's way. */
import { sql } from 'drizzle-orm'
import { LIMITS } from '../../../shared/limits.ts'
import type { Db } from '../database/connect.ts'

export type KeyUses = {
  note(key: string): void
  /** Writes what was noted since the last time. What cannot be written is noted again by the next use. */
  write(db: Db): Promise<void>
}

const MINUTE_MS = 60_000

export function createKeyUses(clock: () => number): KeyUses {
  let used = new Map<string, number>()
  return {
    note(key) {
      if (used.size < LIMITS.keyCacheEntriesMax || used.has(key))
        used.set(key, Math.floor(clock() / MINUTE_MS) * MINUTE_MS)
    },
    async write(db) {
      if (used.size === 0) return
      const noted = JSON.stringify([...used].map(([id, atMs]) => ({ id, at: new Date(atMs).toISOString() })))
      used = new Map()
      await db.execute(sql`
        update api_key set last_used_at = noted.at
        from jsonb_to_recordset(${noted}::jsonb) as noted(id text, at timestamptz)
        where api_key.id = noted.id and (api_key.last_used_at is null or api_key.last_used_at < noted.at)`)
    },
  }
}
