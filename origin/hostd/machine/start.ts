/**
 * Starting a machine, in stages: each one's value is what the next one needs, and each leaves word of how to undo it.
 *
 *   a user id -> directories -> a disk layer -> a process -> (its saved state)
 *
 * When a stage fails, those before it are undone in reverse; when all succeed, the same list is how the machine ends.
 */
import { randomBytes } from 'node:crypto'
import { copyFile } from 'node:fs/promises'
import type { Machine as Shape } from '../../../shared/machines.ts'
import type { Cgroups } from '../cgroup/cgroups.ts'
import type { GuestImage } from '../image.ts'
import type { Accel, Beginning, MachinePlan, Memory } from '../qemu/command-line.ts'
import { launch } from '../qemu/launch.ts'
import { killMachine } from '../qemu/processes.ts'
import { createEmptyLayer } from '../qemu/tools.ts'
import type { Template } from '../template/template.ts'
import { ConsoleLog } from './console.ts'
import { watchDeath } from './death.ts'
import { filesOf, type MachineFiles, makeDirectories, type Places, removeDirectories } from './files.ts'
import { GuestLink } from './guest-link.ts'
import { loadState, type Machine } from './machine.ts'
import type { Owners } from './owners.ts'

/** What every machine of this host is started from. */
export type Site = {
  program: string
  accel: Accel
  image: GuestImage
  tscKhz: number
  owners: Owners
  places: Places
  cgroups: Cgroups
}

type Blueprint = {
  template: string
  shape: Shape
  memory: Memory
  layers: string[]
  /** Puts an empty layer at this path. */
  layDisk: (path: string) => Promise<void>
  beginning: (files: MachineFiles) => Beginning
}

/** A machine that stands stopped before its first instruction; resumed, it boots. With `memoryPath` its memory is kept in that file. */
export function startBlank(site: Site, template: string, shape: Shape, memoryPath?: string): Promise<Machine> {
  const { kernel, initramfs } = site.image
  const tscKhz = site.accel === 'tcg' ? site.tscKhz : null
  return start(site, {
    template,
    shape,
    memory: memoryPath === undefined ? { kind: 'anonymous' } : { kind: 'recorded', path: memoryPath },
    layers: [],
    layDisk: (path) => createEmptyLayer(path, shape.diskMib),
    beginning: () => ({ kind: 'boot', kernel, initramfs, tscKhz }),
  })
}

/** A clone of a template that stands stopped where the template was saved; resumed, it goes on from there. */
export function startClone(site: Site, template: Template): Promise<Machine> {
  return start(
    site,
    {
      template: template.name,
      shape: template.shape,
      memory: { kind: 'cloned', path: template.memoryPath },
      layers: [template.diskPath],
      layDisk: (path) => copyFile(template.emptyLayerPath, path),
      beginning: (files) => ({ kind: 'restore', incomingPath: files.incoming }),
    },
    template.deviceState,
  )
}

async function start(site: Site, blueprint: Blueprint, deviceState?: Uint8Array): Promise<Machine> {
  await using undo = new AsyncDisposableStack()
  const name = `m-${randomBytes(6).toString('hex')}`

  const owner = site.owners.take()
  undo.defer(() => site.owners.give(owner))

  const files = filesOf(site.places, name)
  undo.defer(() => removeDirectories(files))
  await makeDirectories(files, owner)

  await blueprint.layDisk(files.overlay)

  const plan = planOf(site, blueprint, name, files, owner)
  const { pid, qmp } = await launch(site.program, plan)
  undo.defer(() => site.cgroups.release(name))
  undo.defer(async () => void (await killMachine({ pid, name })))
  await site.cgroups.confine(name, pid, blueprint.shape)
  undo.defer(() => qmp.close())

  if (deviceState !== undefined) {
    await loadState(qmp, files.incoming, deviceState)
  }

  const guest = new GuestLink(files)
  undo.defer(() => guest.close())
  const ending = undo.move()
  const { template, shape } = blueprint
  const console = new ConsoleLog(qmp)
  const died = watchDeath(qmp, console)
  return { name, pid, owner, template, shape, qmp, guest, console, died, end: () => ending.disposeAsync() }
}

function planOf(
  site: Site,
  blueprint: Blueprint,
  name: string,
  files: MachineFiles,
  owner: MachinePlan['owner'],
): MachinePlan {
  return {
    name,
    machine: blueprint.shape,
    accel: site.accel,
    memory: blueprint.memory,
    beginning: blueprint.beginning(files),
    disk: { image: site.image.rootfs, layers: blueprint.layers, overlay: files.overlay },
    sockets: { qmp: files.qmp, data: files.data, control: files.control },
    owner,
  }
}
