/** The streams that are open in this process: bounded in number, and ended from here when their key or this process goes. */
import { sql } from 'drizzle-orm'
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { type Principal, revoked } from '../accounts/principal.ts'
import type { Db } from '../database/connect.ts'
import { type Counts, createCounts } from '../tenant-counts.ts'

/** `signal` is aborted, with what the reader should hear, when the stream must end. */
export type OpenStream = { signal: AbortSignal; close(): void }

/** What is followed: what happens to sandboxes, or what their commands and processes say. Each kind has places of its own. */
export type StreamKind = 'event' | 'output'

const PLACES: Record<StreamKind, { ofTenant: number; ofAll: number }> = {
  event: { ofTenant: LIMITS.eventStreamsPerTenantMax, ofAll: LIMITS.eventStreamsMax },
  output: { ofTenant: LIMITS.outputStreamsPerTenantMax, ofAll: LIMITS.outputStreamsMax },
}

export type Streams = {
  /** Throws stream_limit. What is opened is closed once it is not read any more; closing twice is harmless. */
  open(principal: Pick<Principal, 'key' | 'tenant'>, kind?: StreamKind): OpenStream
  endAll(why: AppError): void
  endRevoked(db: Db): Promise<void>
}

type Entry = { key: string; tenant: string; ending: AbortController }

export function createStreams(): Streams {
  const open = new Set<Entry>()
  const counts: Record<StreamKind, Counts> = { event: createCounts(), output: createCounts() }
  return {
    open({ key, tenant }, kind = 'event') {
      const [{ ofTenant, ofAll }, taken] = [PLACES[kind], counts[kind]]
      if (taken.of(tenant) >= ofTenant)
        throw new AppError(
          'stream_limit',
          `A server holds at most ${ofTenant} ${kind} streams of one tenant open at a time.`,
          { details: { limit: ofTenant } },
        )
      if (taken.all() >= ofAll)
        throw new AppError('stream_limit', `This server holds as many ${kind} streams open as it can.`)
      const entry: Entry = { key, tenant, ending: new AbortController() }
      open.add(entry)
      taken.add(tenant, 1)
      return {
        signal: entry.ending.signal,
        close: () => {
          if (open.delete(entry)) taken.add(tenant, -1)
        },
      }
    },
    endAll(why) {
      for (const { ending } of open) ending.abort(why)
    },
    async endRevoked(db) {
      const owners = new Map([...open].map(({ key, tenant }) => [key, tenant]))
      if (owners.size === 0) return
      const { rows } = await db.execute<{ key: string }>(
        sql`select key from unnest(${sql.param([...owners.keys()])}::text[], ${sql.param([...owners.values()])}::text[]) as of(key, tenant)
            where standing_of_key(key, tenant) not in ('active', 'key_unknown')`,
      )
      const gone = new Set(rows.map(({ key }) => key))
      for (const { key, ending } of open) if (gone.has(key)) ending.abort(revoked())
    },
  }
}
