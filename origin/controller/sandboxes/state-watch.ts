/** Waiting for a sandbox to come into a state. All who wait in this process together ask the database one question per turn. */
import { setTimeout as sleep } from 'node:timers/promises'
import { inArray } from 'drizzle-orm'
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Db } from '../database/connect.ts'
import { type SandboxRow, sandbox } from '../database/schema/sandboxes.ts'
import { describeError, type Log } from '../log.ts'
import { createCounts } from '../tenant-counts.ts'

export type Watched = Pick<SandboxRow, 'id' | 'state' | 'readyAt'>
export type StateWatch = {
  /** The sandbox when it is over; undefined when the signal was aborted first, or the sandbox is forgotten. Throws rate_limit_exceeded, stream_limit. */
  until(watched: Whose, isOver: (now: Watched) => boolean, signal: AbortSignal): Promise<Watched | undefined>
}
type Whose = Pick<SandboxRow, 'id' | 'tenant'>
type Waiter = { id: string; look(now: Watched | undefined): void }

const WATCHED = { id: sandbox.id, state: sandbox.state, readyAt: sandbox.readyAt }

export function createStateWatch(db: Db, log: Log): StateWatch {
  const waiters = new Set<Waiter>()
  const counts = createCounts()
  let isAsking = false

  const askOnce = async (): Promise<void> => {
    const asking = [...waiters]
    const rows = await db
      .select(WATCHED)
      .from(sandbox)
      .where(inArray(sandbox.id, [...new Set(asking.map(({ id }) => id))]))
    const now = new Map(rows.map((row) => [row.id, row]))
    for (const { id, look } of asking) look(now.get(id))
  }
  const askWhileAnybodyWaits = async (): Promise<void> => {
    if (isAsking) return
    isAsking = true
    while (waiters.size > 0) {
      // Whoever waits has an end of their own, and a database that is away comes back.
      await askOnce().catch((err: unknown) => log('warn', 'states.not_read', { error: describeError(err) }))
      await sleep(LIMITS.rowPollMs)
    }
    isAsking = false
  }

  return {
    async until({ id, tenant }, isOver, signal) {
      if (counts.of(tenant) >= LIMITS.readinessWaitersPerTenantMax)
        throw new AppError('stream_limit', 'As many callers wait for sandboxes of this tenant as may at a time.', {
          details: { limit: LIMITS.readinessWaitersPerTenantMax },
        })
      if (waiters.size >= LIMITS.readinessWaitersMax)
        throw new AppError('rate_limit_exceeded', 'This server has as many callers waiting for sandboxes as it takes.')
      if (signal.aborted) return undefined
      const over = Promise.withResolvers<Watched | undefined>()
      const waiter: Waiter = {
        id,
        look: (now) => {
          if (now === undefined || isOver(now)) over.resolve(now)
        },
      }
      const leave = (): void => over.resolve(undefined)
      signal.addEventListener('abort', leave, { once: true })
      waiters.add(waiter)
      counts.add(tenant, 1)
      void askWhileAnybodyWaits()
      try {
        return await over.promise
      } finally {
        waiters.delete(waiter)
        counts.add(tenant, -1)
        signal.removeEventListener('abort', leave)
      }
    },
  }
}
