/**
 * How many calls into its sandboxes a tenant has under way on one host. Each has a connection for as long as its answer lasts, so a tenant
 * whose answers are read slowly, or never end, must leave some for the others of that host.
 */
import { Readable } from 'node:stream'
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { createCounts } from '../tenant-counts.ts'

export type CallShares = {
  /**
   * What comes of `call`, which counts until then, and where an answer or a conversation is open then, until that is closed. Throws
   * AppError('call_limit'), with nothing called.
   */
  within<T extends object>(whose: { host: string; tenant: string }, call: () => Promise<T>): Promise<T>
}

export function createCallShares(callsMax: number = LIMITS.hostCallsPerTenantMax): CallShares {
  const calls = createCounts()
  return {
    async within({ host, tenant }, call) {
      const share = `${host} ${tenant}`
      if (calls.of(share) >= callsMax)
        throw new AppError('call_limit', `A tenant has at most ${callsMax} calls under way on one machine at a time.`, {
          details: { limit: callsMax },
        })
      calls.add(share, 1)
      const leave = (): void => calls.add(share, -1)
      try {
        const outcome = await call()
        const open = streamOf(outcome)
        if (open === null || open.closed) leave()
        else open.once('close', leave)
        return outcome
      } catch (thrown) {
        leave()
        throw thrown
      }
    },
  }
}

/** What stays open of an outcome: the body of an answer, or both directions of a conversation. */
function streamOf(outcome: object): Readable | null {
  const stream = 'body' in outcome ? outcome.body : 'socket' in outcome ? outcome.socket : null
  return stream instanceof Readable ? stream : null
}
