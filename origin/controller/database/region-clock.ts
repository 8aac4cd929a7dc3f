/**
 * The time that a region goes by is its database's: deadlines are written there, reckoned by every controller, and compared there.
 * Between two looks it goes on by a clock that nobody can set, so a controller whose own clock is wrong, or is set while it runs,
 * does nothing sooner or later for it.
 */
import type pg from 'pg'
import { LIMITS } from '../../../shared/limits.ts'
import type { Log } from '../log.ts'
import { repeat } from '../repeat.ts'

export type RegionClock = {
  /** Unix milliseconds. */
  now(): number
  stop(): Promise<void>
}

export async function openRegionClock(pool: Pick<pg.Pool, 'query'>, log: Log): Promise<RegionClock> {
  let aheadMs = await lookAhead(pool)
  const looking = repeat(LIMITS.regionClockMs, log, 'clock.not_seen', async () => {
    aheadMs = await lookAhead(pool)
  })
  return { now: () => Math.round(performance.now() + aheadMs), stop: looking.stop }
}

/** How far the database's clock is ahead of this process's steady one, to within half of a round trip. */
async function lookAhead(pool: Pick<pg.Pool, 'query'>): Promise<number> {
  const askedAt = performance.now()
  const { rows } = await pool.query<{ now: Date }>('select clock_timestamp() as now')
  const answeredAt = performance.now()
  const [row] = rows
  if (row === undefined) throw new Error('The database did not say what time it is.')
  return row.now.getTime() - (askedAt + answeredAt) / 2
}
