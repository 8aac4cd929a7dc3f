/** Creates and forks that found too few slots, waiting for a larger share: one exchange at a time for a tenant, whoever waits. */
import { LIMITS } from '../../../shared/limits.ts'
import type { Asked, Exchanged } from './exchange.ts'

export type WaitingLine = {
  /** Resolves when it is worth trying again, or with why there is nothing to wait for. */
  wait(tenant: string, count: number): Promise<'again' | Exchanged>
}

type Waiter = { count: number; tell: (outcome: 'again' | Exchanged) => void }

export function createWaitingLine(ask: (tenant: string, asked: Asked) => Promise<Exchanged>): WaitingLine {
  const lines = new Map<string, Waiter[]>()

  /**
   * Those who wait when an exchange begins are served by it, and only they: who comes later may know of a slot that was freed after
   * the authority was asked, so a refusal from before is none for them.
   */
  const serve = async (tenant: string, line: Waiter[]): Promise<void> => {
    while (line.length > 0) {
      const served = line.splice(0)
      const want = served.reduce((sum, { count }) => sum + count, 0)
      const outcome = await ask(tenant, {
        reason: 'need',
        want,
        atLeast: Math.min(...served.map(({ count }) => count)),
      })
      const room = outcome.kind === 'share' ? outcome.room : 0
      const rest = giveOut(served, room)
      // As long as there was something, the rest of them ask again, together with those who came meanwhile.
      if (rest.length < served.length) line.unshift(...rest)
      else for (const { tell } of rest) tell(outcome)
    }
    lines.delete(tenant)
  }

  return {
    wait: (tenant, count) =>
      new Promise((tell) => {
        const line = lines.get(tenant)
        if (line !== undefined && line.length >= LIMITS.quotaWaitingMax) return void tell({ kind: 'unavailable' })
        if (line !== undefined) return void line.push({ count, tell })
        const opened = [{ count, tell }]
        lines.set(tenant, opened)
        void serve(tenant, opened)
      }),
  }
}

/** In the order of their coming; who wants more than is left leaves it to those behind. Answers whom it did not suffice for. */
function giveOut(waiters: readonly Waiter[], room: number): Waiter[] {
  let left = room
  return waiters.filter(({ count, tell }) => {
    if (count > left) return true
    left -= count
    tell('again')
    return false
  })
}
