/** After a restart: the sandboxes that are paused on disk are there again, and what no sandbox needs any more goes. */
import type { Host } from '../host.ts'
import type { ParkedRecord } from '../journal/journal.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import { newVm, type Vm } from '../vm/vm.ts'
import { parkedIn } from './parked.ts'

type Ground = Pick<Host, 'journal' | 'registry' | 'snapshots' | 'log'>

/** Call it when the machines that run have been taken up: one of a sandbox that is on disk, too, counts more. */
export async function takeUpParked(host: Ground, records: ParkedRecord[]): Promise<void> {
  for (const record of records) await takeUp(host, record)
  const named = new Set(host.registry.all().flatMap(({ parked }) => parked?.snapshot ?? []))
  const orphans = host.snapshots.all().filter((kept) => kept.manifest.kind === 'standby' && !named.has(kept))
  for (const { manifest } of orphans) await host.snapshots.remove(manifest.id)
}

async function takeUp(host: Ground, record: ParkedRecord): Promise<void> {
  const { spec, snapshot: id } = record
  const isThere = host.registry.get(spec.id) !== undefined || host.registry.isLost(spec.id)
  const snapshot = isThere ? null : readable(host, id)
  if (snapshot !== null) return host.registry.add(vmOf(host, record, snapshot))
  if (!isThere) {
    const reason = 'What was kept of the sandbox on disk is gone or cannot be read.'
    host.registry.keepLoss({ id: spec.id, reason, cause: 'died', at_ms: Date.now() })
  }
  await host.journal.unpark(id)
  await host.snapshots.remove(id)
}

function readable({ snapshots }: Ground, id: string): Snapshot | null {
  try {
    return snapshots.require(id)
  } catch {
    return null
  }
}

function vmOf(host: Ground, record: ParkedRecord, snapshot: Snapshot): Vm {
  const { spec, boot_path, boot_ms, merged_from, started_at_ms } = record
  const nowMs = Date.now()
  return {
    ...newVm(spec, started_at_ms),
    state: 'paused',
    parked: parkedIn(host, snapshot),
    boot: { boot_path, boot_ms },
    mergedFrom: merged_from,
    activeAtMs: nowMs,
    pausedAtMs: nowMs,
  }
}
