/** Creates that found no slot, waiting for a larger share: one exchange at a time for a tenant, whoever waits. */
import { LIMITS } from '../../../shared/limits.ts'
import type { Asked, Exchanged } from './exchange.ts'

export type WaitingLine = {
  /** Resolves when it is worth trying again, or with why there is nothing to wait for. */
  wait(tenant: string): Promise<'again' | Exchanged>
}

type Waiter = (outcome: 'again' | Exchanged) => void

export function createWaitingLine(ask: (tenant: string, asked: Asked) => Promise<Exchanged>): WaitingLine {
  const lines = new Map<string, Waiter[]>()

  /**
   * Those who wait when an exchange begins are served by it, and only they: who comes later may know of a slot that was freed after
   * the authority was asked, so a refusal from before is none for them.
   */
  const serve = async (tenant: string, line: Waiter[]): Promise<void> => {
    while (line.length > 0) {
      const served = line.splice(0)
      const outcome = await ask(tenant, { reason: 'need', want: served.length })
      const room = outcome.kind === 'share' ? outcome.room : 0
      for (const waiter of served.splice(0, room)) waiter('again')
      // As long as there was something, the rest of them ask again, together with those who came meanwhile.
      if (room > 0) line.unshift(...served)
      else for (const waiter of served) waiter(outcome)
    }
    lines.delete(tenant)
  }

  return {
    wait: (tenant) =>
      new Promise((resolve) => {
        const line = lines.get(tenant)
        if (line !== undefined && line.length >= LIMITS.quotaWaitingMax) return void resolve({ kind: 'unavailable' })
        if (line !== undefined) return void line.push(resolve)
        const opened = [resolve]
        lines.set(tenant, opened)
        void serve(tenant, opened)
      }),
  }
}
