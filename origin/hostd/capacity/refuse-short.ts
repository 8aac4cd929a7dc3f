/** What was free when a sandbox was admitted may have been taken by those that started before it. */
import type { Host } from '../host.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import { shortageOf } from './room.ts'

const MIB = 1024 * 1024

/** Its own pages are in memory as soon as it stands. Throws AppError: `host_memory_exhausted`, `host_disk_exhausted`. */
export function refuseShort(host: Pick<Host, 'facts'>, { manifest }: Snapshot): void {
  const shortage = shortageOf(manifest.machine, host.facts(), manifest.bytes / MIB)
  if (shortage !== null) throw shortage
}
