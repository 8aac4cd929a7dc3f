/**
 * Makes what a machine has written to its disk so far an immutable layer, at the instant at which it stands still.
 *
 *   with reflinks   its overlay is cloned, and the machine goes on writing its own
 *   without         its overlay becomes the layer, and the machine goes on writing a new one on top
 *
 * QEMU writes its overlay's tables out when the machine is stopped, so the file is whole then.
 */
import { randomBytes } from 'node:crypto'
import { chmod, chown, link, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import * as z from 'zod'
import { filesOf, type MachineFiles } from '../machine/files.ts'
import type { Machine } from '../machine/machine.ts'
import type { Site } from '../machine/start.ts'
import { overlayNode } from '../qemu/command-line.ts'
import { createEmptyLayer } from '../qemu/tools.ts'
import { reflink } from './reflink.ts'
import { sync } from './sync-files.ts'

export type DiskTake = {
  /** The layer that will be there. */
  layer: string
  /** While the machine stands still. */
  take(): Promise<void>
  /** When it goes on again. */
  settle(): Promise<void>
  /** Undoes the preparation of what was not taken. */
  abandon(): Promise<void>
}

/** `record` journals the machine: a daemon that is killed between two steps must find out which overlay is written. */
export async function prepareDisk(site: Site, machine: Machine, record: () => void): Promise<DiskTake> {
  // One that failed halfway, as on a full disk, is brought to its end first.
  await resumeSwitch(site, machine, record)
  const layer = site.layers.newLayerId()
  const files = filesOf(site.places, machine.name)
  return site.layers.reflinks
    ? cloneOverlay(site, files, layer)
    : switchOverlay({ site, machine, files, record, layer, node: `disk-${randomBytes(6).toString('hex')}` })
}

async function cloneOverlay(site: Site, files: MachineFiles, layer: string): Promise<DiskTake> {
  const path = site.layers.layerPath(layer)
  // The file system clones only what is on the disk, so most of it is written there before the machine waits for it.
  await sync(files.overlay)
  return {
    layer,
    take: () => reflink(files.overlay, path),
    settle: async () => {},
    abandon: () => rm(path, { force: true }),
  }
}

/** After a snapshot ended in its middle, as by a kill: QEMU says which overlay it writes. It can deceive only about its own machine. */
export async function resumeSwitch(site: Site, machine: Machine, record: () => void): Promise<void> {
  const { next } = machine.lineage
  if (next === null) return
  const plan = { site, machine, files: filesOf(site.places, machine.name), record, ...next }
  if (isWriting(await machine.qmp.command('query-block'), next.node)) await finishSwitch(plan)
  else await undoSwitch(plan)
}

const blocksSchema = z.array(z.object({ inserted: z.object({ 'node-name': z.string() }).optional() }))
const isWriting = (answer: unknown, node: string): boolean =>
  blocksSchema.parse(answer).some(({ inserted }) => inserted?.['node-name'] === node)

type Switch = { site: Site; machine: Machine; files: MachineFiles; record: () => void; layer: string; node: string }

async function switchOverlay(plan: Switch): Promise<DiskTake> {
  const { site, machine, files, record, layer, node } = plan
  const path = site.layers.layerPath(layer)
  const fresh = freshOverlay(plan)
  try {
    machine.lineage = { ...machine.lineage, next: { layer, node } }
    record()
    await link(files.overlay, path)
    await createEmptyLayer(fresh, machine.shape.diskMib)
    if (machine.owner !== null) await chown(fresh, machine.owner.uid, machine.owner.gid)
    // QEMU stands in the machine's directory, and gets to nothing else from there.
    await machine.qmp.command('blockdev-add', overlayNode(node, `${node}.qcow2`, null))
  } catch (error) {
    await undoSwitch(plan)
    throw error
  }
  return {
    layer,
    abandon: () => undoSwitch(plan),
    take: async () =>
      void (await machine.qmp.command('blockdev-snapshot', { node: machine.lineage.node, overlay: node })),
    settle: () => finishSwitch(plan),
  }
}

const freshOverlay = ({ files, node }: Switch): string => join(files.stateDir, `${node}.qcow2`)

async function undoSwitch(plan: Switch): Promise<void> {
  const { site, machine, record, layer, node } = plan
  await machine.qmp.command('blockdev-del', { 'node-name': node }).catch(() => {})
  await Promise.all([freshOverlay(plan), site.layers.layerPath(layer)].map((path) => rm(path, { force: true })))
  machine.lineage = { ...machine.lineage, next: null }
  record()
}

/**
 * After QEMU writes the new overlay: it becomes the machine's, and the one before nobody's but the layer's. Safe to repeat.
 * It keeps its name beside the usual one, because QEMU opens it once more by that when it becomes a layer, too.
 */
async function finishSwitch(plan: Switch): Promise<void> {
  const { site, machine, files, record, layer, node } = plan
  const { base, layers, node: before } = machine.lineage
  const second = `${files.overlay}.new`
  await rm(second, { force: true })
  await link(freshOverlay(plan), second)
  await rename(second, files.overlay)
  machine.lineage = { base, layers: [...layers, layer], node, next: null }
  machine.held.change(machine.lineage)
  record()
  await rm(join(files.stateDir, `${before}.qcow2`), { force: true })
  const path = site.layers.layerPath(layer)
  if (machine.owner !== null) await chown(path, 0, 0)
  await chmod(path, 0o400)
}
