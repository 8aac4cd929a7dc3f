/** The kinds of machines that a pool keeps, and how a setting names them. */
import { LIMITS } from '../../../shared/limits.ts'
import { type Machine, machineKey, SIZE_NAMES, SIZES, sizeOf } from '../../../shared/machines.ts'

export type Kind = { template: string; machine: Machine }
/** So many of a kind are kept whether or not anybody asks for them. */
export type PoolTarget = Kind & { count: number }

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
  return { template: match[1], machine: SIZES[size], count }
}

/** The name under which machines of one template and shape are pooled. */
export const poolKey = ({ template, machine }: Kind): string => `${template}@${machineKey(machine)}`

/** How a kind is called in reports. All shapes without a name of their own share one, so that callers cannot make names. */
export const poolName = ({ template, machine }: Kind): string => `${template}@${sizeOf(machine)}`
