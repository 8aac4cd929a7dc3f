/** What a sandbox's machine uses, and what its console said. Neither counts as activity, and neither wakes anything. */
import { stat } from 'node:fs/promises'
import type { ConsoleQuery, VmConsole, VmInventory, VmStats } from '../../../shared/contracts/host.ts'
import { AppError } from '../../../shared/errors.ts'
import type { Host } from '../host.ts'
import { filesOf } from '../machine/files.ts'
import { readProcessUsage } from '../qemu/process-usage.ts'
import type { Vm } from './vm.ts'

const BLOCK_BYTES = 512

/** Throws AppError: `sandbox_not_found`, `sandbox_lost`, `sandbox_expired`; `sandbox_not_running` while it has no machine. */
export async function statsOf(host: Host, id: string): Promise<VmStats> {
  const vm = await find(host, id)
  const { machine } = vm
  const { up: egress_up_bytes, down: egress_down_bytes } = host.egress.bytesOf(vm)
  const egress = { egress_up_bytes, egress_down_bytes }
  if (machine === null) return { ...statsOnDisk(vm), ...egress }
  const [usage, disk] = await Promise.all([
    readProcessUsage(machine),
    stat(filesOf(host.site.places, machine.name).overlay).catch(() => null),
  ])
  // It ended between the two looks; its loss is told from now on.
  if (usage === null || disk === null) throw noMachine()
  return {
    id,
    state: vm.state,
    at_ms: Date.now(),
    cpu_ms: usage.cpuMs,
    resident_bytes: usage.residentBytes,
    private_bytes: usage.privateBytes,
    disk_bytes: disk.blocks * BLOCK_BYTES,
    commands_running: vm.commandsRunning,
    ...egress,
  }
}

/** What is here, and which word about its way out each sandbox goes by. */
export function inventoryOf({ registry, egress }: Host): VmInventory {
  const { vms, lost } = registry.inventory()
  return { vms: vms.map((vm) => ({ ...vm, egress_revision: egress.revisionOf(vm.id) })), lost }
}

/** Throws the same. */
export async function consoleOf(host: Host, id: string, { lines, after }: ConsoleQuery): Promise<VmConsole> {
  const { machine } = await find(host, id)
  if (machine === null) throw noMachine()
  return machine.console.read(lines, after)
}

async function find(host: Host, id: string): Promise<Vm> {
  const vm = host.registry.require(id)
  await vm.started
  return vm
}

/** While it is paused on disk it has no process, and uses nothing but the room for what is kept of it. */
function statsOnDisk({ id, state, parked }: Vm): VmStats {
  if (parked === null) throw noMachine()
  const disk_bytes = parked.snapshot.manifest.bytes
  const nothing = { cpu_ms: 0, resident_bytes: 0, private_bytes: 0, commands_running: 0 }
  return { id, state, at_ms: Date.now(), ...nothing, disk_bytes }
}

const noMachine = (): AppError => new AppError('sandbox_not_running', 'The sandbox has no machine at this moment.')
