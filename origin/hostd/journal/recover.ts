/**
 * What to do with each machine that a daemon finds when it starts. Decisions only.
 *
 *                        process runs      process is gone
 *   a sandbox owns it    adopt             lost
 *   nobody owns it       reap              reap (files only)
 *
 * One that is on disk, too, loses nothing with its process: what is left of that is reaped, and the sandbox is paused on disk.
 *
 * A sandbox whose loss is on record owns nothing any more: the daemon before died between the loss and the machine's end.
 */
import type { MachineProcess } from '../qemu/processes.ts'
import type { OwnedRecord } from './journal.ts'

export type Found = {
  names: string[]
  owned: OwnedRecord[]
  running: MachineProcess[]
  /** The sandboxes whose loss is on record. */
  lost: string[]
  /** The sandboxes that are on disk. */
  parked: string[]
}

export type Recovery = {
  adopt: { record: OwnedRecord; pid: number }[]
  lost: OwnedRecord[]
  /** Everything of these goes; `pid` null where only files are left. */
  reap: { name: string; pid: number | null }[]
}

export function planRecovery(found: Found): Recovery {
  const pids = new Map(found.running.map(({ name, pid }) => [name, pid]))
  const lost = new Set(found.lost)
  const owners = latestPerSandbox(found.owned.filter((record) => !lost.has(record.spec.id)))
  const parked = new Set(found.parked)
  const recovery: Recovery = { adopt: [], lost: [], reap: [] }
  for (const name of new Set([...found.names, ...pids.keys()])) {
    const record = owners.get(name)
    const pid = pids.get(name) ?? null
    const isNeeded = record !== undefined && (pid !== null || !parked.has(record.spec.id))
    if (!isNeeded) recovery.reap.push({ name, pid })
    else if (pid !== null) recovery.adopt.push({ record, pid })
    else recovery.lost.push(record)
  }
  return recovery
}

/** A sandbox has one machine. Should two claim to be it, the later one is what its owner was told of last. */
function latestPerSandbox(owned: OwnedRecord[]): Map<string, OwnedRecord> {
  const bySandbox = new Map<string, OwnedRecord>()
  for (const record of owned.toSorted((a, b) => a.started_at_ms - b.started_at_ms))
    bySandbox.set(record.spec.id, record)
  return new Map([...bySandbox.values()].map((record) => [record.machineName, record]))
}
