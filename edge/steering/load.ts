/** How full a region is, from its capacity record in KV and from what it says in every answer. */
import { LIMITS } from '../../shared/limits.ts'
import type { RegionCapacity } from '../../shared/regions.ts'

export type HeardLoad = { load: number; atMs: number }

const IS_OLD_AFTER_MS = LIMITS.kvStaleMs

/** An old record says nothing; it is never read as full. */
export const isCurrent = (record: RegionCapacity, nowMs: number): boolean => nowMs - record.ts <= LIMITS.capacityStaleMs

/** Whether a sandbox of this size may fit; a size that the record does not know may. */
export function hasRoom(record: RegionCapacity | null, size: string | null, nowMs: number): boolean {
  if (record === null || !isCurrent(record, nowMs)) return true
  if (!record.accepting || record.draining) return false
  const free = size === null ? undefined : record.free[size]
  return free === undefined || free > 0
}

/** From 0 to 1: the mean of what is current; 0 when nothing is known. */
export function blendLoad(record: RegionCapacity | null, heard: HeardLoad | null, nowMs: number): number {
  const known: number[] = []
  if (record !== null && isCurrent(record, nowMs)) known.push(record.load)
  if (heard !== null && nowMs - heard.atMs <= IS_OLD_AFTER_MS) known.push(heard.load)
  if (known.length === 0) return 0
  const mean = known.reduce((sum, load) => sum + load, 0) / known.length
  return Math.min(1, Math.max(0, mean))
}

/** X-Region-Load of an answer; null when it is not a number from 0 to 1. */
export function parseLoad(value: string | null): number | null {
  if (value === null || !/^[01](\.[0-9]{1,6})?$/.test(value)) return null
  return Math.min(1, Number(value))
}
