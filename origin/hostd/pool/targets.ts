/** How many primed machines of which kind to keep, and which one to make next. Decisions only; nothing is started here. */
import { LIMITS } from '../../../shared/limits.ts'
import { type Machine, machineKey, SIZE_NAMES, SIZES } from '../../../shared/machines.ts'

export type PoolTarget = { template: string; size: (typeof SIZE_NAMES)[number]; machine: Machine; count: number }

/** Parses `default@xs=4,default@small=2`. Throws on anything else, naming the entry. */
export function parsePoolTargets(text: string): PoolTarget[] {
  const entries = text.split(',').filter((entry) => entry.trim() !== '')
  return entries.map((entry) => parseTarget(entry.trim()))
}

function parseTarget(entry: string): PoolTarget {
  const match = /^([a-z][a-z0-9-]*)@([a-z]+)=(\d+)$/.exec(entry)
  const size = SIZE_NAMES.find((name) => name === match?.[2])
  const count = Number(match?.[3])
  if (match?.[1] === undefined || size === undefined || count > LIMITS.vmsPerHostMax)
    throw new Error(`A pool entry reads like default@xs=4; "${entry}" does not.`)
  return { template: match[1], size, machine: SIZES[size], count }
}

/** The name under which machines of one template and shape are pooled. */
export const poolKey = (template: string, machine: Machine): string => `${template}@${machineKey(machine)}`

/** The kind whose pool is emptiest in proportion to its target, or null when every pool is full. */
export function nextToFill(targets: PoolTarget[], depth: (key: string) => number): PoolTarget | null {
  const fullness = (target: PoolTarget): number =>
    target.count === 0 ? 1 : depth(poolKey(target.template, target.machine)) / target.count
  const emptiest = targets.toSorted((a, b) => fullness(a) - fullness(b))[0]
  return emptiest !== undefined && fullness(emptiest) < 1 ? emptiest : null
}
