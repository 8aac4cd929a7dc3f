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
import { beWatched } from './database/connect.ts'
import { holdSession, type Question } from './database/held-session.ts'
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
  let number: number | undefined
  const session = await holdSession(url, log, async (client) => {
    await beWatched(client)
    number ??= await nextNumber(client)
    await client.query('select pg_advisory_lock($1, $2)', [LOCKS.instance, number])
    await client.query('select pg_advisory_lock_shared($1, $2)', [LOCKS.region, LOCKS.serving])
  })
  if (number === undefined) throw new Error('A session was begun without a number.')
  /** The session on which the leader's lock was won. On one that is gone it is not held any more. */
  let ledOn: pg.Client | undefined
  let hasResigned = false
  let asking: Promise<void> | undefined
  const leads = (): boolean => !hasResigned && ledOn !== undefined && ledOn === session.current()

  const tryLead = async (client: pg.Client): Promise<void> => {
    const { rows } = await session.ask(client, TRY_LEAD)
    if (rows[0]?.leads === true) ledOn = client
  }
  return {
    number,
    async lead() {
      const client = session.current()
      if (client === undefined || hasResigned || leads()) return leads()
      // Taken twice, the lock would have to be given back twice; so those who ask at once share one answer.
      asking ??= tryLead(client).finally(() => {
        asking = undefined
      })
      await asking
      return leads()
    },
    async resign() {
      hasResigned = true
      const client = session.current()
      if (client === undefined) return
      // A session that is gone holds no lock, and the end of a controller waits for none that does not answer.
      const waited = Promise.race([
        session.ask(client, RESIGN),
        sleep(LIMITS.databaseConnectMs, undefined, { ref: false }),
      ])
      await waited.catch((err: unknown) => log('warn', 'instance.not_resigned', { error: describeError(err) }))
    },
    close: session.close,
  }
}

const LEADER = [LOCKS.region, LOCKS.reconciler]
const TRY_LEAD: Question = { text: 'select pg_try_advisory_lock($1, $2) as leads', values: LEADER }
const RESIGN: Question = { text: 'select pg_advisory_unlock($1, $2)', values: LEADER }

async function nextNumber(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ number: string }>("select nextval('controller_instance') as number")
  return Number(rows[0]?.number)
}
