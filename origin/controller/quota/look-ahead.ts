/**
 * Fetches more of a tenant's limit before its creates need it, so that most of them ask nobody. What is kept here is a guess that
 * a look at the row sets right; it decides only when to look.
 */
import { LIMITS } from '../../../shared/limits.ts'
import type { Asked, Exchanged } from './exchange.ts'
import type { Grant } from './grant-row.ts'

export type LookAhead = {
  /** A slot was taken. Never throws and never waits. */
  noteUse(tenant: string): void
}

export type LookAheadSeams = {
  read: (tenant: string) => Promise<Grant | undefined>
  ask: (tenant: string, asked: Asked) => Promise<Exchanged>
  clock: () => number
}

type Guess = { left: number; low: number; quietUntilMs: number }

/** More is fetched when less than this part of the share is left. */
const LOW_PER_SHARE = 8
const LOW_MIN = 2

export function createLookAhead({ read, ask, clock }: LookAheadSeams): LookAhead {
  const guesses = new Map<string, Guess>()
  const looking = new Set<string>()

  const look = async (tenant: string): Promise<void> => {
    const row = await read(tenant)
    if (row === undefined) return
    const low = Math.max(LOW_MIN, Math.ceil(row.granted / LOW_PER_SHARE))
    const left = row.granted - row.used
    if (left > low) return remember(tenant, { left, low, quietUntilMs: 0 })
    const asked = await ask(tenant, { reason: 'ahead', want: 0 })
    const room = asked.kind === 'share' ? asked.room : 0
    // Where there is nothing more to have, nobody is asked for it with every create.
    remember(tenant, { left: room, low, quietUntilMs: room > low ? 0 : clock() + LIMITS.quotaLookAgainMs })
  }
  const remember = (tenant: string, guess: Guess): void => {
    guesses.delete(tenant)
    guesses.set(tenant, guess)
    if (guesses.size > LIMITS.quotaTenantsMax) guesses.delete(guesses.keys().next().value ?? tenant)
  }

  return {
    noteUse(tenant) {
      const guess = guesses.get(tenant)
      if (guess !== undefined) {
        guess.left -= 1
        if (guess.left > guess.low || clock() < guess.quietUntilMs) return
      }
      if (looking.has(tenant)) return
      looking.add(tenant)
      // A look that fails is made again with the next create.
      void look(tenant)
        .catch(() => {})
        .finally(() => looking.delete(tenant))
    },
  }
}
