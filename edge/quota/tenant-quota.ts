/**
 * The authority over one tenant's limit: a Durable Object of the tenant's name. It serves what regions say, and when there is nothing
 * left for one that needs, asks the others for what they do not use.
 *
 * While it waits for a region it serves others; so every decision is made anew on what is stored, in one step that awaits nothing.
 */
import { DurableObject } from 'cloudflare:workers'
import type { QuotaAnswer, QuotaReport } from '../../shared/contracts/quota.ts'
import { internalTokensSchema } from '../../shared/internal-token.ts'
import { LIMITS } from '../../shared/limits.ts'
import type { Region } from '../../shared/regions.ts'
import { askBack } from './ask-back.ts'
import { decide, fence, freeOf, note, noteRow, type Shares } from './shares.ts'
import { changeShares, openShares, readShares } from './stored-shares.ts'

type Secrets = { INTERNAL_TOKEN: string }

export class TenantQuota extends DurableObject<Secrets> {
  constructor(state: DurableObjectState, bindings: Secrets) {
    super(state, bindings)
    openShares(state.storage)
  }

  async exchange(report: QuotaReport, regions: readonly Region[]): Promise<QuotaAnswer> {
    const { storage } = this.ctx
    const first = changeShares(storage, (shares) => {
      const noted = note(shares, report)
      if (noted === undefined) return { shares, result: lateAnswer(shares, report.region) }
      const { shares: next, answer } = decide(noted, report, regions.length)
      return { shares: next, result: answer }
    })
    if (first.kind === 'late' || report.reason !== 'need' || !isDry(first, report)) return first
    await this.#collect(report, regions)
    return changeShares(storage, (shares) => {
      const { shares: next, answer } = decide(shares, report, regions.length)
      return { shares: next, result: answer }
    })
  }

  /** An operator's word that the region's controllers do not run. */
  fence(region: string): void {
    changeShares(this.ctx.storage, (shares) => ({ shares: fence(shares, region), result: undefined }))
  }

  /** Until something is free, or every other region has said that it uses all it has. */
  async #collect({ region: borrower, tenant, want }: QuotaReport, regions: readonly Region[]): Promise<void> {
    for (let round = 0; round < LIMITS.quotaGiveBackRounds; round++) {
      if (round > 0) await scheduler.wait(LIMITS.quotaGiveBackPauseMs)
      const shares = readShares(this.ctx.storage)
      // Where more is held than the limit allows, each region is asked down by the answer to its own report.
      if (freeOf(shares) !== 0) return
      const [likely, others] = lendersOf(shares, borrower, regions)
      let isSettled = await this.#askAll(likely, tenant, want)
      if (freeOf(readShares(this.ctx.storage)) > 0) return
      isSettled = (await this.#askAll(others, tenant, want)) && isSettled
      if (isSettled) return
    }
  }

  /** Whether nothing is on its way to any of them: one that has not yet been told of what it was given cannot give it back. */
  async #askAll(lenders: readonly Region[], tenant: string, need: number): Promise<boolean> {
    const settled = await Promise.all(
      lenders.map(async ({ code, url }) => {
        const row = await askBack(url, internalTokensSchema.parse(this.env.INTERNAL_TOKEN).sent, {
          tenant,
          need: Math.max(1, need),
        })
        if (row === null) return true
        return changeShares(this.ctx.storage, (shares) => {
          const next = noteRow(shares, code, row)
          const holding = next.holdings.get(code)
          return { shares: next, result: holding === undefined || holding.granted <= row.granted }
        })
      }),
    )
    return settled.every((isSettled) => isSettled)
  }
}

const lateAnswer = ({ holdings }: Shares, region: string): QuotaAnswer => ({
  kind: 'late',
  epoch: holdings.get(region)?.epoch ?? 0,
})

const isDry = (answer: QuotaAnswer, { granted, used }: QuotaReport): boolean =>
  answer.kind === 'share' && answer.granted <= Math.max(granted, used)

/** First the region that is known to have the most in hand, then all others that hold anything: they may have ended something since. */
function lendersOf(shares: Shares, borrower: string, regions: readonly Region[]): [Region[], Region[]] {
  const idleOf = ({ code }: Region): number => {
    const holding = shares.holdings.get(code)
    return holding === undefined ? 0 : holding.granted - holding.used
  }
  const lenders = regions
    .filter(({ code }) => code !== borrower && (shares.holdings.get(code)?.held ?? 0) > 0)
    .toSorted((one, other) => idleOf(other) - idleOf(one))
  const [most, ...rest] = lenders
  return most !== undefined && idleOf(most) > 0 ? [[most], rest] : [[], lenders]
}
