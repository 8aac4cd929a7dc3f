/** How long a parent stands still for a fork, by how much it has written, beside copying as much within this process. */
import { findRam, scanOwnPages } from '../../../origin/hostd/snapshot/guest-memory.ts'
import { PAGE_BYTES, pagesOf } from '../../../origin/hostd/snapshot/page-runs.ts'
import type { Daemon } from '../../harness/host-daemon.ts'
import { fork } from '../../integration/hostd/fork/calls.ts'
import { type Quantiles, quantilesOf } from '../quantiles.ts'
import { begin, end, run, SMALL } from './stage.ts'

const MIB = 1024 * 1024
const ROUNDS = 5
/** What a guest is told to write, beside what it has written anyway. */
const WRITTEN_MIB = [0, 64, 192]

export type Standstill = { dirtyMib: number; allowedMs: number; stopped: Quantiles; floor: Quantiles }

export async function measureStandstills(host: Daemon): Promise<Standstill[]> {
  const seen: Standstill[] = []
  await begin(host, 'writer')
  for (const mib of WRITTEN_MIB) {
    await run(host, 'writer', `head -c ${mib}M /dev/zero | tr '\\0' x > /dev/shm/written`)
    seen.push(await measure(host))
  }
  await end(host, 'writer')
  return seen
}

async function measure(host: Daemon): Promise<Standstill> {
  const stops: number[] = []
  const floors: number[] = []
  let bytes = 0
  for (let round = 0; round < ROUNDS; round++) {
    bytes = await dirtyBytes(host)
    const { stopped_ms } = await fork(host, 'writer', 'child')
    stops.push(stopped_ms)
    floors.push(copyMs(bytes))
    await end(host, 'child')
  }
  const allowedMs = 10 + bytes / 1e6
  return { dirtyMib: bytes / MIB, allowedMs, stopped: quantilesOf(stops), floor: quantilesOf(floors) }
}

async function dirtyBytes(host: Daemon): Promise<number> {
  const { pid } = await host.machineOf('writer')
  return pagesOf(await scanOwnPages(pid, await findRam(pid, SMALL.memoryMib))) * PAGE_BYTES
}

/** Between buffers that are in memory. */
function copyMs(bytes: number): number {
  const from = Buffer.alloc(bytes, 1)
  const to = Buffer.alloc(bytes, 2)
  const sinceMs = performance.now()
  from.copy(to)
  return performance.now() - sinceMs
}
