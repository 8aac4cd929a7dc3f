/**
 * A session with the database that is held for as long as its process lives, for the sake of its locks, and opened anew whenever it is
 * lost. One that does not answer is given up, because nobody else would say that it is lost.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import { LIMITS } from '../../../shared/limits.ts'
import { describeError, type Log } from '../log.ts'
import { repeat } from '../repeat.ts'
import { connectAlone, disconnect } from './connect.ts'

export type Question = { text: string; values?: unknown[] }
export type HeldSession = {
  /** Another one after each loss; undefined until that is there. */
  current(): pg.Client | undefined
  /** One question at a time, on the session that is named: what it asks for may hang on that one. */
  ask(session: pg.Client, question: Question): Promise<pg.QueryResult>
  close(): Promise<void>
}

/** `begin` is done on each new session before it counts. Throws when the first one cannot be had. */
export async function holdSession(
  url: string,
  log: Log,
  begin: (session: pg.Client) => Promise<void>,
): Promise<HeldSession> {
  const closing = new AbortController()
  let newest: pg.Client | undefined
  let held: pg.Client | undefined
  let answered: Promise<unknown> = Promise.resolve()

  const open = async (): Promise<void> => {
    const session = connectAlone(url, LIMITS.databaseStatementMs)
    session.on('error', (err) => log('warn', 'session.lost', { error: describeError(err) }))
    newest = session
    try {
      await session.connect()
      await begin(session)
      session.once('end', () => void openAnew())
      held = session
    } catch (err) {
      await disconnect(session)
      throw err
    }
  }
  const openAnew = async (): Promise<void> => {
    held = undefined
    while (!closing.signal.aborted && held === undefined)
      await open().catch(async (err: unknown) => {
        log('warn', 'session.not_opened', { error: describeError(err) })
        await sleep(LIMITS.databaseRetryMs, undefined, { signal: closing.signal }).catch(() => {})
      })
  }
  const ask = (session: pg.Client, question: Question): Promise<pg.QueryResult> => {
    const asked = answered
      .then(() => session.query(question))
      .catch(async (err: unknown) => {
        await disconnect(session)
        throw err
      })
    answered = asked.catch(() => {})
    return asked
  }

  await open()
  const listening = repeat(LIMITS.databaseSilenceMs, log, 'session.silent', async () => {
    if (held !== undefined) await ask(held, { text: 'select 1' })
  })
  return {
    current: () => held,
    ask,
    async close() {
      closing.abort()
      if (newest !== undefined) await disconnect(newest)
      await listening.stop()
    },
  }
}
