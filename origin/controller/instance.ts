/**
 * This controller's number, and the proof that it lives: a database session that holds the advisory lock of the number.
 *
 * A row or an idempotency claim names the controller that works on it. When that one is killed its session ends, the lock
 * falls, and anybody may see that the work is nobody's. When only the session is lost, a live controller looks dead until it
 * is back; what others then do is guarded by the state of the row and harmless to repeat, so nothing is done twice.
 * The leader's lock of the reconciler is held on the same session, so that only a controller that is known to live can lead.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import { LIMITS } from '../../shared/limits.ts'
import { connectAlone } from './database/connect.ts'
import { LOCKS } from './database/locks.ts'
import { describeError, type Log } from './log.ts'

export type Instance = {
  readonly number: number
  /** Whether this controller is, or has just become, the one that reconciles. */
  lead(): Promise<boolean>
  /** Lets another controller lead at once, and never leads again. */
  resign(): Promise<void>
  close(): Promise<void>
}

export async function joinRegion(url: string, log: Log): Promise<Instance> {
  const first = connectAlone(url)
  await first.connect()
  const number = await nextNumber(first)
  const closing = new AbortController()
  let session: pg.Client | undefined = first
  let leads = false
  let hasResigned = false
  let asking: Promise<boolean> | undefined

  const hold = async (client: pg.Client): Promise<void> => {
    await watchFromThere(client)
    await client.query('select pg_advisory_lock($1, $2)', [LOCKS.instance, number])
    await client.query('select pg_advisory_lock_shared($1, $2)', [LOCKS.region, LOCKS.serving])
    client.once('end', () => void rejoin())
  }
  const rejoin = async (): Promise<void> => {
    session = undefined
    leads = false
    while (!closing.signal.aborted) {
      const client = connectAlone(url)
      client.on('error', (err) => log('warn', 'instance.session_lost', { error: describeError(err) }))
      try {
        await client.connect()
        await hold(client)
        session = client
        return
      } catch (err) {
        log('warn', 'instance.rejoin_failed', { error: describeError(err) })
        await client.end().catch(() => {})
        await sleep(LIMITS.databaseRetryMs, undefined, { signal: closing.signal }).catch(() => {})
      }
    }
  }

  first.on('error', (err) => log('warn', 'instance.session_lost', { error: describeError(err) }))
  await hold(first)
  return {
    number,
    async lead() {
      if (session === undefined || hasResigned) return false
      if (leads) return true
      // Taken twice, the lock would have to be given back twice; so those who ask at once share one answer.
      const asked = session
      asking ??= tryLead(asked).finally(() => {
        asking = undefined
      })
      const granted = await asking
      // A lock that was won on a session that is gone is not held any more.
      leads = granted && session === asked && !hasResigned
      return leads
    },
    async resign() {
      hasResigned = true
      leads = false
      // A session that is gone holds no lock, and the end of a controller waits for none that does not answer.
      const givenUp = session?.query('select pg_advisory_unlock($1, $2)', [LOCKS.region, LOCKS.reconciler])
      const waited = Promise.race([givenUp, sleep(LIMITS.databaseConnectMs, undefined, { ref: false })])
      await waited.catch((err: unknown) => log('warn', 'instance.not_resigned', { error: describeError(err) }))
    },
    async close() {
      closing.abort()
      await session?.end().catch(() => {})
    },
  }
}

/**
 * Without this the server would take two hours to notice that a controller's machine is gone, and hold its locks for as long:
 * its number would look alive, and nobody could reconcile. On a unix socket it is nothing.
 */
async function watchFromThere(session: pg.Client): Promise<void> {
  const idleSec = String(LIMITS.databaseSilenceMs / 1_000)
  await session.query(
    `select set_config('tcp_keepalives_idle', $1, false), set_config('tcp_keepalives_interval', '1', false),
            set_config('tcp_keepalives_count', '10', false)`,
    [idleSec],
  )
}

async function nextNumber(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ number: string }>("select nextval('controller_instance') as number")
  return Number(rows[0]?.number)
}

async function tryLead(session: pg.Client): Promise<boolean> {
  const { rows } = await session.query<{ leads: boolean }>('select pg_try_advisory_lock($1, $2) as leads', [
    LOCKS.region,
    LOCKS.reconciler,
  ])
  return rows[0]?.leads === true
}
