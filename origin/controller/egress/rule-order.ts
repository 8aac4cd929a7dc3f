/**
 * The order in which the rules of one sandbox are looked at, since the first that fits decides: what says more comes first. Pure.
 *
 *   1  one host, then all below a name (the longer name first), then every host
 *   2  of this sandbox, then of all of the tenant's
 *   3  the longer path, then those that name methods, then those that name ports, then the rest
 *   4  denied, then allowed
 */
import type { EgressRule } from '../../../shared/contracts/host-egress.ts'

export type RankedRule = { rule: EgressRule; isOwn: boolean }

export const inOrder = (rules: readonly RankedRule[]): EgressRule[] => rules.toSorted(compare).map(({ rule }) => rule)

function compare(one: RankedRule, other: RankedRule): number {
  const [mine, theirs] = [rankOf(one), rankOf(other)]
  for (const [index, rank] of mine.entries()) {
    const difference = (theirs[index] ?? 0) - rank
    if (difference !== 0) return difference
  }
  return one.rule.id < other.rule.id ? -1 : 1
}

/** Higher goes first. */
const rankOf = ({ rule, isOwn }: RankedRule): number[] => [
  rankOfHost(rule.host),
  Number(isOwn),
  rule.path_glob?.length ?? 0,
  Number(rule.methods !== undefined),
  Number(rule.ports !== undefined),
  Number(rule.effect === 'deny'),
]

/** No name is as long as this. */
const EXACT = 1_000

const rankOfHost = (host: string): number => (host === '*' ? 0 : host.startsWith('*.') ? host.length : EXACT)
