/**
 * A sandbox gets its machine, and runs its first command in the same round trip to the guest.
 *
 *   warm      a primed machine of the pool goes on             milliseconds
 *   restore   a clone of the template is started               tenths of a second
 *   cold      a machine is booted from the image               seconds
 *
 * Each is tried when the one before has nothing to give or fails. A sandbox that goes on from a snapshot is restored, or fails.
 */
import type { CreateVmBody, HostExec, HostReady, VmSpec } from '../../../shared/contracts/host.ts'
import { AppError } from '../../../shared/errors.ts'
import { FRAME, type Frame } from '../../../shared/frames.ts'
import { refusalOf, unpromised } from '../capacity/room.ts'
import type { Host } from '../host.ts'
import { observeStart } from '../metrics/observe-start.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import { type Begun, bootCold, type FirstCommand, restoreClone, restoreSnapshot, takeWarm, type Wish } from './begin.ts'
import { giveUpMachine } from './own.ts'
import { isThere, newVm, type Vm } from './vm.ts'
import { watch } from './watch.ts'

/**
 * Frames: `provisioning` if it takes long, `ready`, then those of the command. Whoever stops reading before `ready`
 * leaves nothing behind; afterwards the sandbox stays and only the command is killed.
 */
export async function* createVm(host: Host, body: CreateVmBody, signal: AbortSignal): AsyncGenerator<Frame> {
  const existing = host.registry.get(body.vm.id)
  if (existing !== undefined) return yield joinExisting(existing, body.exec)
  const origin = originOf(host, body.vm)
  const vm = admit(host, origin.spec)
  const start = Promise.withResolvers<void>()
  vm.started = start.promise
  let isUp = false
  let begun: Begun | null = null
  try {
    const wish = { host, vm, env: origin.env, exec: body.exec, signal, sinceMs: performance.now() }
    if (origin.snapshot === null) begun = await takeWarm(wish)
    if (begun === null) {
      yield { type: FRAME.provisioning, payload: new Uint8Array(0) }
      begun = origin.snapshot === null ? await restoreOrBoot(wish) : await restoreSnapshot(wish, origin.snapshot)
    }
    vm.ending.signal.throwIfAborted()
    isUp = true
    enter(host, vm, begun)
    start.resolve()
    yield readyFrame(begun.ready)
    yield* framesOf(begun.command)
  } finally {
    try {
      if (!isUp) await abandon(host, vm)
    } finally {
      start.resolve()
      await begun?.command?.rest.return(undefined)
    }
  }
}

const restoreOrBoot = async (wish: Wish): Promise<Begun> => (await restoreClone(wish)) ?? (await bootCold(wish))

async function* framesOf(command: FirstCommand): AsyncGenerator<Frame> {
  if (command === null) return
  const first = await command.first
  if (first.done) return
  yield first.value
  yield* command.rest
}

type Origin = { snapshot: Snapshot | null; spec: VmSpec; env: VmSpec['env'] | undefined }

/** Who goes on from a snapshot has its template and its machine, whatever was asked for; and its environment unless another one is given. */
function originOf(host: Host, spec: VmSpec): Origin {
  if (spec.snapshot_id == null) return { snapshot: null, spec, env: spec.env }
  const snapshot = host.snapshots.requireNamed(spec.snapshot_id)
  const { template, machine } = snapshot.manifest
  const env = Object.keys(spec.env).length === 0 ? undefined : spec.env
  return { snapshot, spec: { ...spec, template, machine }, env }
}

/** Refuses before anything is started; the answer is then the same as if the request had never come. */
export function admit(host: Host, spec: VmSpec, parent?: string): Vm {
  host.registry.refuseLost(spec.id)
  if (host.draining.aborted) throw new AppError('draining', 'This host takes no more sandboxes.')
  host.templates.refuseUnusable(spec.template, spec.machine)
  const held = host.registry.all().map((vm) => vm.spec.machine)
  const refusal = refusalOf(spec.machine, unpromised(host.promises, held), host.facts())
  if (refusal !== null) throw refusal
  const { env: _env, egress, ...kept } = spec
  const vm = newVm(kept, Date.now())
  host.egress.begin(vm.id, egress, parent)
  host.registry.add(vm)
  return vm
}

/** A repeat of a create answers as the first one did; a command is never run twice, so with one it cannot. */
async function joinExisting(vm: Vm, exec: HostExec | undefined): Promise<Frame> {
  if (exec !== undefined) throw new AppError('state_conflict', 'This sandbox exists already.')
  await vm.started
  if (!isThere(vm)) throw new AppError('boot_failed', 'The first create of this sandbox failed.')
  return readyFrame({ ...vm.boot, expires_at_ms: vm.spec.expires_at_ms, phases: {} })
}

export function enter(host: Host, vm: Vm, begun: Begun): void {
  vm.state = 'running'
  vm.activeAtMs = Date.now()
  watch(vm, begun.machine, host.registry, host.log)
  host.egress.tend(vm)
  observeStart(host.metrics, begun.ready)
  const { boot_path, boot_ms } = begun.ready
  host.log('sandbox-started', { id: vm.id, machine: begun.machine.name, boot_path, boot_ms: Math.round(boot_ms) })
}

export async function abandon(host: Host, vm: Vm): Promise<void> {
  try {
    await giveUpMachine(host.journal, vm)
  } finally {
    host.registry.remove(vm)
  }
}

const readyFrame = (ready: HostReady): Frame => ({
  type: FRAME.ready,
  payload: new TextEncoder().encode(JSON.stringify(ready)),
})
