/** Takes a snapshot of a machine. What copies much is done before it stands still and after it goes on again. */
import { stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError } from '../../../shared/errors.ts'
import type { Machine as Shape } from '../../../shared/machines.ts'
import { filesOf, type MachineFiles } from '../machine/files.ts'
import type { Machine } from '../machine/machine.ts'
import type { Site } from '../machine/start.ts'
import { checksumOf } from './checksum.ts'
import { type MemoryCopy, openMemoryCopy } from './copy-memory.ts'
import { type Manifest, SNAPSHOT_FILES } from './manifest.ts'
import { saveDevices } from './save-devices.ts'
import { shortenChain } from './shorten-chain.ts'
import type { Snapshot } from './snapshot.ts'
import type { SnapshotStore } from './snapshot-store.ts'
import { standStill } from './stand-still.ts'
import { sync } from './sync-files.ts'
import { type DiskTake, prepareDisk } from './take-disk.ts'

const BLOCK_BYTES = 512

export type Occasion = {
  id: string
  kind: Manifest['kind']
  sandbox: string
  template: string
  shape: Shape
  /** A machine that runs goes on, one that stands stays so. */
  stance: 'runs' | 'stands'
  /** Journals the machine, whose lineage may change with a snapshot. */
  record: () => void
}
type Ground = { site: Site; snapshots: SnapshotStore }

/**
 * A snapshot of kind `fork` is not synced and does not outlive this daemon; every other one is on the platter when this returns.
 * Throws AppError, and leaves nothing but the machine as it was: `already_exists`, `snapshot_space_exhausted`, `host_disk_exhausted`,
 * or the reason for which the machine died.
 */
export async function captureMachine(ground: Ground, machine: Machine, occasion: Occasion): Promise<Snapshot> {
  try {
    return await capture(ground, machine, occasion)
  } catch (error) {
    machine.died.throwIfAborted()
    throw isFull(error)
      ? new AppError('host_disk_exhausted', 'The disk of this host is full.', { cause: error })
      : error
  }
}

async function capture({ site, snapshots }: Ground, machine: Machine, occasion: Occasion): Promise<Snapshot> {
  const files = filesOf(site.places, machine.name)
  const takenAtMs = Date.now()
  await shortenChain(machine, occasion.record)
  await using draft = await snapshots.draft(occasion.id)
  await using memory = await openMemoryCopy(machine, draft.directory)
  using _room = snapshots.reserve((await memory.estimateBytes()) + (await allocatedBytes(files.overlay)))
  if (occasion.stance === 'runs') await memory.ahead()

  const disk = await prepareDisk(site, machine, occasion.record)
  const layers = [...machine.lineage.layers, disk.layer]
  const hold = site.layers.hold({ base: machine.lineage.base, layers })
  try {
    const { devices, stoppedMs } = await takeAll(machine, files, occasion.stance, memory, disk)
    await memory.settle()
    await writeFile(join(draft.directory, SNAPSHOT_FILES.deviceState), devices, { mode: 0o600 })
    machine.died.throwIfAborted()
    const isDurable = occasion.kind !== 'fork'
    if (isDurable) await sealAll(site, draft.directory, machine.lineage.base, layers)
    const content = { base: machine.lineage.base, layers, newest: disk.layer, directory: draft.directory }
    const manifest = await describeSnapshot({ site, snapshots }, occasion, content)
    return await draft.finish({ ...manifest, taken_at_ms: takenAtMs, stopped_ms: stoppedMs }, isDurable)
  } finally {
    hold.release()
  }
}

/** All of one instant. What has been taken of the disk cannot be given back, so it is settled even where the rest failed. */
async function takeAll(
  machine: Machine,
  files: MachineFiles,
  stance: Occasion['stance'],
  memory: MemoryCopy,
  disk: DiskTake,
): Promise<{ devices: Buffer; stoppedMs: number }> {
  let devices: Buffer = Buffer.alloc(0)
  let isTaken = false
  try {
    const stoppedMs = await standStill(machine, stance, async () => {
      const rest = async (): Promise<void> => {
        devices = await saveDevices(machine, files)
        await disk.take()
        isTaken = true
      }
      // QEMU does its part while the memory is copied from outside of it. Both have ended before the machine goes on.
      const parts = await Promise.allSettled([rest(), memory.take()])
      for (const part of parts) if (part.status === 'rejected') throw part.reason
    })
    return { devices, stoppedMs }
  } finally {
    await (isTaken ? disk.settle() : disk.abandon())
  }
}

async function sealAll(site: Site, directory: string, base: string, layers: string[]): Promise<void> {
  await site.layers.syncBase(base)
  for (const layer of layers) await site.layers.seal(layer)
  const { deviceState, memoryIndex, memoryPages } = SNAPSHOT_FILES
  await sync(...[deviceState, memoryIndex, memoryPages].map((file) => join(directory, file)), directory)
}

type Content = { base: string; layers: string[]; newest: string; directory: string }

async function describeSnapshot({ site, snapshots }: Ground, occasion: Occasion, content: Content) {
  const at = (file: string): string => join(content.directory, file)
  const { deviceState, memoryIndex, memoryPages } = SNAPSHOT_FILES
  const sums = await Promise.all([deviceState, memoryIndex, memoryPages].map((file) => checksumOf(at(file))))
  const own = [deviceState, memoryIndex, memoryPages].map(at)
  const sizes = await Promise.all([...own, site.layers.layerPath(content.newest)].map(allocatedBytes))
  const identity = await site.layers.identityOf(content.base)
  if (identity === null) throw new AppError('internal', 'A base of a machine is gone.', { detail: content.base })
  const [device_state = 0, memory_index = 0, memory_pages = 0] = sums
  return {
    id: occasion.id,
    kind: occasion.kind,
    sandbox: occasion.sandbox,
    template: occasion.template,
    machine: occasion.shape,
    bytes: sizes.reduce((sum, bytes) => sum + bytes, 0),
    surroundings: snapshots.surroundings,
    base: { key: content.base, identity },
    layers: content.layers,
    crc32: { device_state, memory_index, memory_pages },
  }
}

const allocatedBytes = async (path: string): Promise<number> => (await stat(path)).blocks * BLOCK_BYTES

const FULL = new Set(['ENOSPC', 'EDQUOT'])
const isFull = (error: unknown): boolean => error instanceof Error && 'code' in error && FULL.has(String(error.code))
