/** After a restart: every machine that a sandbox owns is taken up again, every other one is removed; then those follow that are on disk. */
import { setTimeout as sleep } from 'node:timers/promises'
import { LIMITS } from '../../../shared/limits.ts'
import type { Host } from '../host.ts'
import type { OwnedRecord } from '../journal/journal.ts'
import { planRecovery } from '../journal/recover.ts'
import { describe } from '../log.ts'
import { ConsoleLog } from '../machine/console.ts'
import { lastWords, watchDeath, whyItStands } from '../machine/death.ts'
import { filesOf, removeDirectories } from '../machine/files.ts'
import { GuestLink } from '../machine/guest-link.ts'
import { type Machine, statusOf } from '../machine/machine.ts'
import { findMachines, killMachine } from '../qemu/processes.ts'
import { Qmp } from '../qemu/qmp.ts'
import { resumeSwitch } from '../snapshot/take-disk.ts'
import { takeUpParked } from '../standby/take-up.ts'
import { own } from './own.ts'
import { newVm, type Vm } from './vm.ts'
import { watch } from './watch.ts'

type Ground = Pick<Host, 'site' | 'journal' | 'registry' | 'snapshots' | 'log'>

export async function recover(host: Ground): Promise<void> {
  const { runDir } = host.site.places
  const machines = await host.journal.readMachines()
  const lost = host.registry.inventory().lost.map(({ id }) => id)
  const records = await host.journal.readParked()
  const parked = records.map(({ spec }) => spec.id)
  const plan = planRecovery({ ...machines, running: await findMachines(runDir), lost, parked })
  await Promise.all(plan.reap.map(({ name, pid }) => reap(host, name, pid)))
  await Promise.all(plan.lost.map((record) => giveUp(host, record, null, 'The machine ended while the host was away.')))
  await Promise.all(plan.adopt.map(({ record, pid }) => adopt(host, record, pid, parked.includes(record.spec.id))))
  await takeUpParked(host, records)
  const onDisk = host.registry.all().filter(({ parked }) => parked !== null).length
  const counts = { adopted: plan.adopt.length, on_disk: onDisk, lost: plan.lost.length, reaped: plan.reap.length }
  if (Math.max(...Object.values(counts)) > 0) host.log('recovered', counts)
}

async function reap(host: Ground, name: string, pid: number | null): Promise<void> {
  if (pid !== null) await killMachine({ pid, name })
  await host.site.cgroups.release(name)
  await removeDirectories(filesOf(host.site.places, name))
}

async function giveUp(host: Ground, record: OwnedRecord, pid: number | null, reason: string): Promise<void> {
  host.registry.keepLoss({ id: record.spec.id, reason, cause: 'died', at_ms: Date.now() })
  host.journal.disown(record.machineName)
  await reap(host, record.machineName, pid)
}

/** One that is on disk, too, goes on from there when its machine is of no use. */
async function adopt(host: Ground, record: OwnedRecord, pid: number, isParked: boolean): Promise<void> {
  const fail = (reason: string): Promise<void> =>
    isParked ? reap(host, record.machineName, pid) : giveUp(host, record, pid, reason)
  try {
    const qmp = await connect(filesOf(host.site.places, record.machineName).qmp)
    const status = await statusOf(qmp)
    if (status === 'running' || status === 'paused') return await takeUp(host, record, pid, qmp, status)
    const words = await lastWords(new ConsoleLog(qmp))
    qmp.close()
    await fail(whyItStands(status, words))
  } catch (error) {
    host.log('adoption-failed', { id: record.spec.id, ...describe(error) })
    await fail('The process of the machine does not answer.')
  }
}

/** The daemon before may have been killed a moment ago: QEMU takes one control connection at a time and may not have seen it end. */
async function connect(path: string): Promise<Qmp> {
  const deadline = performance.now() + LIMITS.qmpTimeoutMs
  for (;;) {
    try {
      return await Qmp.connect(path)
    } catch (error) {
      if (performance.now() > deadline) throw error
      await sleep(50)
    }
  }
}

async function takeUp(
  host: Ground,
  record: OwnedRecord,
  pid: number,
  qmp: Qmp,
  state: 'running' | 'paused',
): Promise<void> {
  const machine = machineOf(host, record, pid, qmp)
  const vm: Vm = {
    ...newVm(record.spec, record.started_at_ms),
    state,
    machine,
    boot: { boot_path: record.boot_path, boot_ms: record.boot_ms },
    mergedFrom: record.merged_from,
    activeAtMs: Date.now(),
    pausedAtMs: state === 'paused' ? Date.now() : null,
  }
  if (state === 'paused') machine.guest.keepCommands()
  try {
    await resumeSwitch(host.site, machine, () => own(host.journal, vm, machine))
  } catch (error) {
    await machine.end()
    throw error
  }
  host.registry.add(vm)
  watch(vm, machine, host.registry, host.log)
}

/** Ends in the same order as a machine that was started here. */
function machineOf({ site }: Ground, record: OwnedRecord, pid: number, qmp: Qmp): Machine {
  const name = record.machineName
  const files = filesOf(site.places, name)
  const guest = new GuestLink(files, site.wire)
  const owner = record.uid === null ? null : site.owners.hold(record.uid)
  const undo = new AsyncDisposableStack()
  const held = site.layers.hold(record.lineage)
  undo.defer(() => held.release())
  undo.defer(() => site.owners.give(owner))
  undo.defer(() => removeDirectories(files))
  undo.defer(() => site.cgroups.release(name))
  undo.defer(async () => void (await killMachine({ pid, name })))
  undo.defer(() => qmp.close())
  undo.defer(() => guest.close())
  const { template, machine: shape } = record.spec
  const { lineage } = record
  const console = new ConsoleLog(qmp)
  const died = watchDeath(qmp, console, guest)
  const end = (): Promise<void> => undo.disposeAsync()
  return { name, pid, owner, template, shape, lineage, held, qmp, guest, console, died, end }
}
