/**
 * Starting a machine, in stages: each one's value is what the next one needs, and each leaves word of how to undo it.
 *
 *   a user id -> directories -> a disk layer -> a process -> (its saved state)
 *
 * When a stage fails, those before it are undone in reverse; when all succeed, the same list is how the machine ends.
 */
import { randomBytes } from 'node:crypto'
import { chown, copyFile } from 'node:fs/promises'
import { basename } from 'node:path'
import type { Machine as Shape } from '../../../shared/machines.ts'
import type { Cgroups } from '../cgroup/cgroups.ts'
import type { Wire } from '../guest/channel.ts'
import type { GuestImage } from '../image.ts'
import type { Accel, Beginning, MachinePlan, Memory } from '../qemu/command-line.ts'
import { launch } from '../qemu/launch.ts'
import { killMachine } from '../qemu/processes.ts'
import { createEmptyLayer } from '../qemu/tools.ts'
import type { Base, LayerStore, TemplateBase } from '../snapshot/layer-store.ts'
import { recipeOf } from '../template/recipes.ts'
import { ConsoleLog } from './console.ts'
import { watchDeath } from './death.ts'
import { filesOf, type MachineFiles, makeDirectories, type Places, removeDirectories } from './files.ts'
import { GuestLink } from './guest-link.ts'
import { type Lineage, newLineage } from './lineage.ts'
import { loadState, type Machine } from './machine.ts'
import type { Owners } from './owners.ts'
import type { Shell } from './shell.ts'
import type { Shells } from './shells.ts'

/** What every machine of this host is started from. */
export type Site = {
  program: string
  accel: Accel
  image: GuestImage
  tscKhz: number
  owners: Owners
  places: Places
  cgroups: Cgroups
  wire: Wire
  layers: LayerStore
  /** Null where every machine gets a process of its own. */
  shells: Shells | null
}

type Blueprint = {
  template: string
  shape: Shape
  memory: Memory
  base: Base
  /** Disk layers over the base's disk, by their ids in the store. */
  layers: string[]
  /** Puts the layer that will be written at this path. */
  layDisk: (path: string) => Promise<void>
  beginning: (files: MachineFiles) => Beginning
  saved?: SavedState
}

/** What a machine that waits for it is given before it can go on. */
type SavedState = {
  deviceState: Uint8Array
  /** Puts what differs from the base into the memory of this process. */
  fill?: (pid: number) => Promise<void>
}

/** A machine that stands stopped before its first instruction; resumed, it boots. With `memoryPath` its memory is kept in that file. */
export async function startBlank(site: Site, template: string, shape: Shape, memoryPath?: string): Promise<Machine> {
  const { kernel, initramfs } = site.image
  const tscKhz = site.accel === 'tcg' ? site.tscKhz : null
  return start(site, {
    template,
    shape,
    memory: memoryPath === undefined ? { kind: 'anonymous' } : { kind: 'recorded', path: memoryPath },
    base: await site.layers.ofImage(recipeOf(template).root),
    layers: [],
    layDisk: (path) => createEmptyLayer(path, shape.diskMib),
    beginning: () => ({ kind: 'boot', kernel, initramfs, tscKhz }),
  })
}

/** A clone of a template that stands stopped where the template was saved; resumed, it goes on from there. */
export function startClone(site: Site, base: TemplateBase): Promise<Machine> {
  const { template } = base
  return start(site, {
    template: template.name,
    shape: template.shape,
    memory: { kind: 'cloned', path: template.memoryPath },
    base,
    layers: [],
    layDisk: (path) => copyFile(template.emptyLayerPath, path),
    beginning: (files) => ({ kind: 'restore', incomingPath: files.incoming }),
    saved: { deviceState: template.deviceState },
  })
}

type Restoration = Pick<Blueprint, 'template' | 'shape' | 'base' | 'layers' | 'layDisk'> & Required<SavedState>

/**
 * A machine that stands stopped where it was saved, with memory that differs from its base's. The base and the layers must be held.
 * The commands that were under way then go on with it, and are heard by nobody.
 */
export async function startRestored(site: Site, { deviceState, fill, ...rest }: Restoration): Promise<Machine> {
  const path = rest.base.template?.memoryPath
  const machine = await start(site, {
    ...rest,
    memory: path === undefined ? { kind: 'anonymous' } : { kind: 'cloned', path },
    beginning: (files) => ({ kind: 'restore', incomingPath: files.incoming }),
    saved: { deviceState, fill },
  })
  machine.guest.keepCommands()
  return machine
}

async function start(site: Site, blueprint: Blueprint): Promise<Machine> {
  const shell = await shellFor(site, blueprint)
  await using undo = shell.undo
  const { name, owner, files, lineage, held, pid, qmp } = shell
  if (blueprint.saved !== undefined) {
    await blueprint.saved.fill?.(pid)
    await loadState(qmp, files.incoming, blueprint.saved.deviceState)
  }

  const guest = new GuestLink(files, site.wire)
  undo.defer(() => guest.close())
  const ending = undo.move()
  const { template, shape } = blueprint
  const console = new ConsoleLog(qmp)
  const died = watchDeath(qmp, console, guest)
  const end = (): Promise<void> => ending.disposeAsync()
  return { name, pid, owner, template, shape, lineage, held, qmp, guest, console, died, end }
}

/** One that was started ahead, where there is one that fits; its disk is replaced in place, which QEMU reads when its state comes. */
async function shellFor(site: Site, blueprint: Blueprint): Promise<Shell> {
  const { base, layers, memory, layDisk } = blueprint
  const { template } = base
  if (site.shells === null || template === null || memory.kind !== 'cloned' || layers.length > 0)
    return startShell(site, blueprint)
  const { saved: _, ...frame } = blueprint
  const blank = { ...frame, layDisk: (path: string) => copyFile(template.emptyLayerPath, path) }
  const shell = site.shells.take(base.key, () => startShell(site, blank))
  if (shell === null) return startShell(site, blueprint)
  await using undo = shell.undo
  await layDisk(shell.files.overlay)
  return { ...shell, undo: undo.move() }
}

async function startShell(site: Site, blueprint: Omit<Blueprint, 'saved'>): Promise<Shell> {
  await using undo = new AsyncDisposableStack()
  const name = `m-${randomBytes(6).toString('hex')}`

  const lineage: Lineage = newLineage(blueprint.base.key, blueprint.layers)
  const held = site.layers.hold(lineage)
  undo.defer(() => held.release())

  const owner = site.owners.take()
  undo.defer(() => site.owners.give(owner))

  const files = filesOf(site.places, name)
  undo.defer(() => removeDirectories(files))
  await makeDirectories(files, owner)

  await blueprint.layDisk(files.overlay)
  // It is opened once more, by the machine itself, when it becomes a layer.
  if (owner !== null) await chown(files.overlay, owner.uid, owner.gid)

  const plan = planOf(site, blueprint, name, files, owner)
  const { pid, qmp } = await launch(site.program, plan)
  undo.defer(() => site.cgroups.release(name))
  undo.defer(async () => void (await killMachine({ pid, name })))
  await site.cgroups.confine(name, pid, blueprint.shape)
  undo.defer(() => qmp.close())
  return { name, owner, files, lineage, held, pid, qmp, undo: undo.move() }
}

function planOf(
  site: Site,
  blueprint: Omit<Blueprint, 'saved'>,
  name: string,
  files: MachineFiles,
  owner: MachinePlan['owner'],
): MachinePlan {
  const { rootfs, template } = blueprint.base
  const below = template === null ? [] : [template.diskPath]
  return {
    name,
    directory: files.stateDir,
    machine: blueprint.shape,
    accel: site.accel,
    memory: blueprint.memory,
    beginning: blueprint.beginning(files),
    disk: {
      image: rootfs,
      layers: [...below, ...blueprint.layers.map((layer) => site.layers.layerPath(layer))],
      // As the machine sees it from its own directory.
      overlay: basename(files.overlay),
    },
    sockets: { qmp: files.qmp, data: files.data, control: files.control },
    owner,
  }
}
