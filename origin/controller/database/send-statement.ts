/**
 * "Never sent" and "may have been carried out" are told apart here, because only after the first may another region be asked for
 * the same thing.
 */
import type pg from 'pg'
import { AppError } from '../../../shared/errors.ts'
import { isDatabaseGone } from './is-database-gone.ts'

/** What a caller hears when the database is away before anything was asked of it that changes something. Anything else stays as it is. */
export const nothingExecuted = (thrown: unknown): unknown =>
  isDatabaseGone(thrown)
    ? new AppError('region_unavailable', 'The database of this region does not answer; nothing was done.', {
        cause: thrown,
      })
    : thrown

/** Throws region_unavailable when no connection could be had. What is thrown later is the driver's own: the statement may count. */
export async function sendStatement<Row extends pg.QueryResultRow>(
  pool: pg.Pool,
  statement: pg.QueryConfig,
): Promise<Row[]> {
  const client = await pool.connect().catch((thrown: unknown) => {
    throw nothingExecuted(thrown)
  })
  // The loss of a connection is heard of by its statement; an event that nobody hears would end the process.
  client.on('error', ignore)
  let broken = true
  try {
    const { rows } = await client.query<Row>(statement)
    broken = false
    return rows
  } finally {
    client.off('error', ignore)
    client.release(broken)
  }
}

const ignore = (): void => {}
