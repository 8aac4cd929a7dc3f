/**
 * Who holds how much of one tenant's limit, and what follows from a region's word. No clock, no I/O, no storage.
 *
 *            limit  |-- held by usw1 --|-- held by eu1 --|-- free --|
 *
 * A report replaces what the region is counted with, and an answer raises it before the region hears of it, so no region ever has
 * more than it is counted with (shared/contracts/quota.ts says why). When the limit is lower than what is held, each region
 * that reports is asked down to its part of the new limit, and is counted with what it had until it reports the lower share.
 */
import type { QuotaAnswer, QuotaReport, QuotaRow } from '../../shared/contracts/quota.ts'

export type Holding = { epoch: number; granted: number; used: number; held: number }
export type Shares = { limit: number; limitVersion: number; holdings: ReadonlyMap<string, Holding> }

export const NO_SHARES: Shares = { limit: 0, limitVersion: -1, holdings: new Map() }

/** A limit as small as this is not worth sharing out. */
const WHOLE_LIMIT_MAX = 4
const BLOCKS_PER_LIMIT = 8

const sumOf = (shares: Shares, part: 'held' | 'used'): number =>
  [...shares.holdings.values()].reduce((sum, holding) => sum + holding[part], 0)

export const freeOf = (shares: Shares): number => shares.limit - sumOf(shares, 'held')

/** The region's word, taken down. Undefined when it is older than the last one. */
export function note(shares: Shares, report: QuotaReport): Shares | undefined {
  if (report.epoch <= epochOf(shares, report.region)) return undefined
  const { epoch, granted, used } = report
  const isNewer = report.limit_version >= shares.limitVersion
  return {
    limit: isNewer ? report.limit : shares.limit,
    limitVersion: Math.max(report.limit_version, shares.limitVersion),
    holdings: withHolding(shares, report.region, { epoch, granted, used, held: Math.max(granted, used) }),
  }
}

/**
 * What a region answered that was asked to give back. A row that was not lowered may be in the middle of an exchange of its own, which
 * has to come first; of such a row only the use is news.
 */
export function noteRow(shares: Shares, region: string, { lowered, ...row }: QuotaRow): Shares {
  const known = shares.holdings.get(region)
  if (lowered && row.epoch > epochOf(shares, region))
    return { ...shares, holdings: withHolding(shares, region, { ...row, held: Math.max(row.granted, row.used) }) }
  if (known === undefined || row.epoch < known.epoch) return shares
  return { ...shares, holdings: withHolding(shares, region, { ...known, used: row.used }) }
}

/**
 * What the region may have from now on, and the shares with that counted. Only for a report that was noted last.
 * `regions` is how many there are to share the limit.
 */
export function decide(shares: Shares, report: QuotaReport, regions: number): { shares: Shares; answer: QuotaAnswer } {
  const holding = shares.holdings.get(report.region)
  if (holding === undefined || holding.epoch !== report.epoch)
    return { shares, answer: { kind: 'late', epoch: epochOf(shares, report.region) } }
  const granted = shareFor(shares, holding, report, regions)
  const held = Math.max(holding.held, granted)
  return {
    shares: { ...shares, holdings: withHolding(shares, report.region, { ...holding, granted, held }) },
    answer: { kind: 'share', epoch: report.epoch, granted, limit: shares.limit, running: sumOf(shares, 'used') },
  }
}

function shareFor(shares: Shares, holding: Holding, { reason, want }: QuotaReport, regions: number): number {
  const free = freeOf(shares)
  if (free < 0) return Math.min(holding.granted, Math.floor((shares.limit * holding.held) / sumOf(shares, 'held')))
  if (reason === 'report' || free === 0) return holding.granted
  return holding.held + block(shares.limit, free, reason === 'need' ? Math.max(1, want) : 0, regions)
}

/**
 * An eighth of the limit, or as much as is waited for, but only half of what is free: who comes later finds something, too.
 * What is taken ahead of need leaves the last slot to whoever needs one.
 */
function block(limit: number, free: number, want: number, regions: number): number {
  if (limit <= WHOLE_LIMIT_MAX || regions <= 1) return free
  const size = Math.min(Math.max(Math.ceil(limit / BLOCKS_PER_LIMIT), want), Math.floor(free / 2))
  return want > 0 ? Math.max(1, size) : size
}

/** Takes everything from a region that is dead. What it sent before it died is late from now on. */
export function fence(shares: Shares, region: string): Shares {
  const none = { epoch: epochOf(shares, region) + 1, granted: 0, used: 0, held: 0 }
  return { ...shares, holdings: withHolding(shares, region, none) }
}

const epochOf = (shares: Shares, region: string): number => shares.holdings.get(region)?.epoch ?? 0

const withHolding = ({ holdings }: Shares, region: string, holding: Holding): Map<string, Holding> =>
  new Map([...holdings, [region, holding]])
