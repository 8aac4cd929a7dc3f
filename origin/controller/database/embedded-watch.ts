/**
 * Keeps the embedded server serving for as long as its controller lives: one that is gone is started again at once, and what it
 * had committed is there, because its own recovery reads it from its log. It is watched by its process and not by its parent,
 * because an adopted server is no child of ours.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { LIMITS } from '../../../shared/limits.ts'
import { describeError, type Log } from '../log.ts'
import { type Running, serves } from './embedded-server.ts'

export type Watch = {
  /** Ends the watch. Resolves with the server that serves then, or that served last. */
  stop(): Promise<Running>
}

/** `startAgain` finds or starts the server of this data directory, and may fail: it is asked again, less and less often. */
export function keepServing(first: Running, data: string, startAgain: () => Promise<Running>, log: Log): Watch {
  const stopping = new AbortController()
  const { signal } = stopping
  let server = first
  let servingSince = performance.now()
  let pauseMs = 0

  const wait = (ms: number): Promise<void> => sleep(ms, undefined, { signal, ref: false }).catch(() => {})
  const attempt = async (): Promise<boolean> => {
    await wait(pauseMs)
    if (signal.aborted) return false
    pauseMs = Math.min(Math.max(pauseMs * 2, LIMITS.databaseWatchMs), LIMITS.databaseRestartMsMax)
    try {
      server = await startAgain()
      return true
    } catch (err) {
      log('error', 'database.not_restarted', { error: describeError(err), next_ms: pauseMs })
      return false
    }
  }
  const restart = async (): Promise<void> => {
    log('error', 'database.lost', { pid: server.pid })
    // One that falls again and again is started less and less often; one that served for a while is started at once.
    if (performance.now() - servingSince > LIMITS.databaseRestartMsMax) pauseMs = 0
    while (!signal.aborted && !(await attempt()));
    if (signal.aborted) return
    servingSince = performance.now()
    log('info', 'database.restarted', { pid: server.pid })
  }
  const turns = async (): Promise<void> => {
    while (!signal.aborted) {
      await wait(LIMITS.databaseWatchMs)
      if (!signal.aborted && !(await serves(server.pid, data))) await restart()
    }
  }
  const done = turns()
  return {
    async stop() {
      stopping.abort()
      await done
      return server
    },
  }
}
