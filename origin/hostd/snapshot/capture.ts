/** Takes a snapshot of a machine. What copies much is done before it stands still and after it goes on again. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError } from '../../../shared/errors.ts'
import type { Machine as Shape } from '../../../shared/machines.ts'
import { fullDisk } from '../capacity/full-disk.ts'
import { refuseDead } from '../machine/death.ts'
import { filesOf, type MachineFiles } from '../machine/files.ts'
import type { Machine } from '../machine/machine.ts'
import type { Site } from '../machine/start.ts'
import { type MemoryCopy, openMemoryCopy } from './copy-memory.ts'
import { allocatedBytes, checksumsIn, ownFiles } from './describe-snapshot.ts'
import { type Manifest, SNAPSHOT_FILES } from './manifest.ts'
import { readDevices, saveDevices } from './save-devices.ts'
import { shortenChain } from './shorten-chain.ts'
import type { Snapshot } from './snapshot.ts'
import type { SnapshotStore } from './snapshot-store.ts'
import { standStill } from './stand-still.ts'
import { sync } from './sync-files.ts'
import { type DiskTake, prepareDisk } from './take-disk.ts'

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
    if (!isRefusal(error)) await refuseDead(machine.died)
    throw fullDisk(error) ?? error
  }
}

async function capture({ site, snapshots }: Ground, machine: Machine, occasion: Occasion): Promise<Snapshot> {
  const files = filesOf(site.places, machine.name)
  const base = { key: machine.lineage.base, identity: await site.layers.identityOf(machine.lineage.base) }
  if (!isKnown(base)) throw new AppError('internal', 'The base of this machine is not known.', { detail: base.key })
  await shortenChain(machine, occasion.record)
  await using draft = await snapshots.draft(occasion.id)
  await using memory = await openMemoryCopy(machine, draft.directory)
  using _room = snapshots.reserve((await memory.estimateBytes()) + (await allocatedBytes(files.overlay)))
  if (occasion.stance === 'runs') await memory.ahead()

  const disk = await prepareDisk(site, machine, occasion.record)
  const layers = [...machine.lineage.layers, disk.layer]
  const hold = site.layers.hold({ base: base.key, layers })
  const takenAtMs = Date.now()
  try {
    const { devices, stoppedMs } = await takeAll(machine, files, occasion.stance, memory, disk)
    await memory.settle()
    await writeFile(join(draft.directory, SNAPSHOT_FILES.deviceState), devices, { mode: 0o600 })
    machine.died.throwIfAborted()
    const { id, kind, sandbox, template, shape } = occasion
    const isDurable = kind !== 'fork'
    if (isDurable) await sealAll(site, draft.directory, base.key, layers)
    const manifest: Manifest = {
      ...{ id, kind, sandbox, template, machine: shape, base, layers },
      taken_at_ms: takenAtMs,
      stopped_ms: stoppedMs,
      bytes: await allocatedBytes(...ownFiles(draft.directory), site.layers.layerPath(disk.layer)),
      surroundings: snapshots.surroundings,
      crc32: isDurable ? await checksumsIn(draft.directory) : null,
    }
    return await draft.finish(manifest, isDurable)
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
  let isTaken = false
  const takeDisk = async (): Promise<void> => {
    await disk.take()
    isTaken = true
  }
  try {
    const stoppedMs = await standStill(machine, stance, async () => {
      // QEMU does its parts, one after the other, while the memory is copied from outside of it. All have ended before the machine goes on.
      const parts = await Promise.allSettled([saveDevices(machine, files), takeDisk(), memory.take()])
      for (const part of parts) if (part.status === 'rejected') throw part.reason
    })
    return { devices: await readDevices(files), stoppedMs }
  } finally {
    await (isTaken ? disk.settle() : disk.abandon())
  }
}

async function sealAll(site: Site, directory: string, base: string, layers: string[]): Promise<void> {
  await site.layers.syncBase(base)
  for (const layer of layers) await site.layers.seal(layer)
  await sync(...ownFiles(directory), directory)
}

const isKnown = (base: { key: string; identity: string | null }): base is Manifest['base'] => base.identity !== null

/** What was said no to is no sign of a death. */
const isRefusal = (error: unknown): boolean => error instanceof AppError && error.code !== 'internal'
