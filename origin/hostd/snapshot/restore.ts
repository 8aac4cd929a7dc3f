/** Makes a machine that goes on from a snapshot: a private view of its base's memory, and over it what the snapshot has of its own. */
import { closeSync, openSync, readSync } from 'node:fs'
import { copyFile, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Machine } from '../machine/machine.ts'
import { type Site, startRestored } from '../machine/start.ts'
import { createEmptyLayer } from '../qemu/tools.ts'
import { checksumOf } from './checksum.ts'
import { copyIn } from './copy-pages.ts'
import { findRam } from './guest-memory.ts'
import type { Base } from './layer-store.ts'
import { type Manifest, SNAPSHOT_FILES, type Surroundings } from './manifest.ts'
import { decodeRuns } from './page-runs.ts'
import { reflink } from './reflink.ts'
import type { Snapshot } from './snapshot.ts'
import { corrupt, type SnapshotStore } from './snapshot-store.ts'

const MIB = 1024 * 1024

type Ground = { site: Site; snapshots: SnapshotStore }

/**
 * The machine stands still where the snapshot was taken. Throws AppError: `snapshot_incompatible`, `snapshot_corrupt`,
 * `host_memory_exhausted`, and what starting a machine throws. Nothing is left of one that failed.
 */
export async function startFromSnapshot({ site, snapshots }: Ground, snapshot: Snapshot): Promise<Machine> {
  const { manifest, directory } = snapshot
  const { machine: shape, template } = manifest
  refuseForeign(manifest.surroundings, snapshots.surroundings)
  // Before anything is waited for: the snapshot may be removed meanwhile.
  await using _inUse = snapshot.use()
  await refuseShort(snapshots, directory)
  const base = await site.layers.find(manifest.base.key, manifest.base.identity)
  if (base === null) throw corrupt(`The base ${manifest.base.key} is not what it was.`)
  const deviceState = await readFile(join(directory, SNAPSHOT_FILES.deviceState)).catch(() => null)
  if (deviceState === null) throw corrupt('A file is gone.')
  const checked = refuseDamaged(site, snapshot)
  // It is awaited where its pages go in; until then a rejection has to wait for its hearer.
  checked.catch(() => {})
  return await startRestored(site, {
    template,
    shape,
    base,
    ...diskOf(site, base, manifest),
    deviceState,
    fill: async (pid) => {
      await checked
      await fillMemory(pid, shape.memoryMib, directory)
    },
  })
}

/** A clone takes its memory page by page as it goes; this one takes what the snapshot holds at once. */
async function refuseShort(snapshots: SnapshotStore, directory: string): Promise<void> {
  const pages = await stat(join(directory, SNAPSHOT_FILES.memoryPages)).catch(() => null)
  if (pages === null) throw corrupt('A file is gone.')
  const { memoryAvailableMib } = snapshots.facts()
  if (memoryAvailableMib - pages.size / MIB < LIMITS.hostMemoryReserveMib)
    throw new AppError('host_memory_exhausted', `This host has only ${memoryAvailableMib} MiB of memory free.`)
}

/** A device state means something else to another QEMU, another processor or another kind of machine. */
function refuseForeign(was: Surroundings, is: Surroundings): void {
  const keys = ['accel', 'qemu_version', 'cpu_model', 'machine_revision'] as const
  const changed = keys.filter((key) => was[key] !== is[key])
  if (changed.length === 0) return
  throw new AppError('snapshot_incompatible', 'This snapshot was taken on a host that was different.', {
    details: { changed },
  })
}

async function refuseDamaged(site: Site, { manifest, directory }: Snapshot): Promise<void> {
  if (manifest.crc32 === null) return
  for (const layer of manifest.layers)
    if (!(await site.layers.isIntact(layer))) throw corrupt(`The layer ${layer} is not what it was.`)
  const { device_state, memory_index, memory_pages } = manifest.crc32
  const files = [
    [SNAPSHOT_FILES.deviceState, device_state],
    [SNAPSHOT_FILES.memoryIndex, memory_index],
    [SNAPSHOT_FILES.memoryPages, memory_pages],
  ] as const
  for (const [file, sum] of files)
    if ((await checksumOf(join(directory, file)).catch(() => null)) !== sum)
      throw corrupt(`${file} is not what it was.`)
}

/** With reflinks the machine writes into a clone of the last layer, so that chains never grow; without, into an empty layer on top of it. */
function diskOf(site: Site, base: Base, { layers, machine }: Manifest) {
  const last = layers.at(-1)
  if (site.layers.reflinks && last !== undefined) {
    const from = site.layers.layerPath(last)
    return { layers: layers.slice(0, -1), layDisk: (path: string) => reflink(from, path) }
  }
  const empty = base.template?.emptyLayerPath
  const layDisk = (path: string) =>
    empty === undefined ? createEmptyLayer(path, machine.diskMib) : copyFile(empty, path)
  return { layers, layDisk }
}

/** Before a machine has run, its memory is its base's; these pages make it the snapshot's. */
async function fillMemory(pid: number, memoryMib: number, directory: string): Promise<void> {
  const ram = await findRam(pid, memoryMib)
  const runs = decodeRuns(await readFile(join(directory, SNAPSHOT_FILES.memoryIndex)), ram.pages)
  const buffer = Buffer.allocUnsafeSlow(LIMITS.copyChunkBytes)
  const pages = openSync(join(directory, SNAPSHOT_FILES.memoryPages), 'r')
  try {
    await copyIn(pid, ram, runs, (at, bytes) => {
      if (readSync(pages, buffer, 0, bytes, at) < bytes) throw corrupt(`${SNAPSHOT_FILES.memoryPages} ends at ${at}.`)
      return buffer.subarray(0, bytes)
    })
  } finally {
    closeSync(pages)
  }
}
