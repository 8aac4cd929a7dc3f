/** Retries are paid for by successes, so that a region in trouble is not given twice the load. */
import { LIMITS } from '../../shared/limits.ts'

export class RetryBudget {
  #tokens: number = LIMITS.retryTokensMax

  earn(): void {
    this.#tokens = Math.min(LIMITS.retryTokensMax, this.#tokens + LIMITS.retryTokensPerSuccess)
  }

  canSpend(): boolean {
    return this.#tokens - 1 >= LIMITS.retryTokensMax / 2
  }

  spend(): void {
    this.#tokens -= 1
  }
}
