/**
 * What a snapshot is, in the one file of its directory that is written last: without it there is no snapshot.
 *
 *   <state>/snapshots/<name>/manifest.json
 *                           device.state    what QEMU says of its devices and processors
 *                           memory.index    which pages differ from the base's, and where they stand
 *                           memory.pages    those pages
 */
import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as z from 'zod'
import { machineSchema } from '../../../shared/machines.ts'
import { type Accel, MACHINE_REVISION } from '../qemu/command-line.ts'
import { sync } from './sync-files.ts'

export const SNAPSHOT_FILES = {
  deviceState: 'device.state',
  memoryIndex: 'memory.index',
  memoryPages: 'memory.pages',
  manifest: 'manifest.json',
} as const

/** `named`: a controller knows it. `standby`: a sandbox that is paused on disk. `fork`: gone when its children stand. */
export const SNAPSHOT_KINDS = ['named', 'standby', 'fork'] as const

/** Of everything that a device state depends on, what may change while the snapshot is kept. */
const surroundingsSchema = z.object({
  accel: z.enum(['kvm', 'tcg']),
  qemu_version: z.string(),
  cpu_model: z.string(),
  machine_revision: z.int(),
})

export type Surroundings = z.infer<typeof surroundingsSchema>

export const manifestSchema = z.object({
  id: z.string(),
  kind: z.enum(SNAPSHOT_KINDS),
  sandbox: z.string(),
  template: z.string(),
  machine: machineSchema,
  taken_at_ms: z.number(),
  stopped_ms: z.number(),
  bytes: z.int(),
  surroundings: surroundingsSchema,
  /** The name of the base, and what tells it from another one of that name. */
  base: z.object({ key: z.string(), identity: z.string() }),
  /** Of the disk, over the base's, from the lowest up. */
  layers: z.array(z.string()),
  /** By file; those of layers stand beside them. Null for what does not outlive the daemon that wrote it. */
  crc32: z.object({ device_state: z.int(), memory_index: z.int(), memory_pages: z.int() }).nullable(),
})
export type Manifest = z.infer<typeof manifestSchema>

type Around = { accel: Accel; qemuVersion: string; cpuModel: string }

export const surroundingsOf = ({ accel, qemuVersion, cpuModel }: Around): Surroundings => ({
  accel,
  qemu_version: qemuVersion,
  cpu_model: cpuModel,
  machine_revision: MACHINE_REVISION,
})

/** Everything else of the snapshot must be in its place and synced. */
export async function writeManifest(directory: string, manifest: Manifest): Promise<void> {
  const path = join(directory, SNAPSHOT_FILES.manifest)
  await writeFile(`${path}.new`, JSON.stringify(manifest), { mode: 0o600 })
  await sync(`${path}.new`)
  await rename(`${path}.new`, path)
  await sync(directory)
}

/** `absent` when it was never finished; `unreadable` when something has spoilt it since. */
export async function readManifest(directory: string): Promise<Manifest | 'absent' | 'unreadable'> {
  const text = await readFile(join(directory, SNAPSHOT_FILES.manifest), 'utf8').catch(() => null)
  if (text === null) return 'absent'
  try {
    return manifestSchema.parse(JSON.parse(text))
  } catch {
    return 'unreadable'
  }
}
