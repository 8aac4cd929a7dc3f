/**
 * The ways in which a sandbox's machine begins. Of a template there are three; each answers null when it has nothing to give or failed, so that the
 * next one is tried; the last one throws.
 *
 * Trying again never runs a command twice: the machine in which it failed is gone, and it had no way to the world outside.
 */
import type { HostExec, HostReady } from '../../../shared/contracts/host.ts'
import { AppError } from '../../../shared/errors.ts'
import type { Frame } from '../../../shared/frames.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { warmInterpreter } from '../guest-code.ts'
import { wakeNow } from '../guest-wake.ts'
import type { Host } from '../host.ts'
import { describe } from '../log.ts'
import { type Machine, resume } from '../machine/machine.ts'
import { startBlank, startClone } from '../machine/start.ts'
import { startFromSnapshot } from '../snapshot/restore.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import { recipeOf } from '../template/recipes.ts'
import { postponed } from './deadlines.ts'
import { heedKept } from './heed-kept.ts'
import { giveUpMachine, own } from './own.ts'
import { runCommand } from './run-command.ts'
import type { Vm } from './vm.ts'

/** A sandbox that waits for a machine, and what is to be run in it first. */
export type Wish = {
  host: Host
  vm: Vm
  /** Undefined leaves the one that the machine has. */
  env: Record<string, string> | undefined
  exec: HostExec | undefined
  signal: AbortSignal
  sinceMs: number
}

/** A machine that has answered, and the first command in it. */
export type Begun = { machine: Machine; ready: HostReady; command: FirstCommand }

/** The command runs already, so `rest` is to be returned, whether or not anything was read. */
export type FirstCommand = { first: Promise<IteratorResult<Frame>>; rest: AsyncGenerator<Frame> } | null

export async function takeWarm(wish: Wish): Promise<Begun | null> {
  const { template, machine } = wish.vm.spec
  const primed = wish.host.pool.take(template, machine)
  return primed === null ? null : orNull(wish, 'warm', begin(wish, primed, 'warm'))
}

/** A sandbox that goes on from a snapshot has no other way to begin. Throws what `startFromSnapshot` throws. */
export async function restoreSnapshot(wish: Wish, snapshot: Snapshot): Promise<Begun> {
  // Also while it waits for its turn.
  await using _inUse = snapshot.use()
  const { host } = wish
  const begun = await host.gate.pass(async () => begin(wish, await startFromSnapshot(host, snapshot), 'restore'))
  void heedKept(wish.vm)
  return begun
}

export async function restoreClone(wish: Wish): Promise<Begun | null> {
  const { host, vm } = wish
  const template = await host.templates.find(vm.spec.template, vm.spec.machine)
  if (template === null) return null
  return orNull(
    wish,
    'restore',
    host.gate.pass(async () => begin(wish, await startClone(host.site, template), 'restore')),
  )
}

/** Throws AppError('boot_failed'). A template for this shape of machine is made afterwards, so that the next one is quicker. */
export async function bootCold(wish: Wish): Promise<Begun> {
  const { host, vm } = wish
  const { template, machine } = vm.spec
  const begun = await host.gate.pass(async () => begin(wish, await startBlank(host.site, template, machine), 'cold'))
  await announceImports(wish, begun.machine)
  host.templates.ensureLater(template, machine, () => host.gate.idle())
  return begun
}

/** They take seconds, so they wait until somebody runs code. It never rejects: the machine is good for everything else. */
async function announceImports({ host, vm }: Wish, machine: Machine): Promise<void> {
  try {
    const signal = AbortSignal.any([AbortSignal.timeout(LIMITS.guestRequestMs), vm.ending.signal, machine.died])
    for (const code of recipeOf(vm.spec.template).imports)
      await warmInterpreter(await machine.guest.session(signal), { ...code, is_lazy: true }, signal)
  } catch (error) {
    host.log('imports-failed', { id: vm.id, ...describe(error) })
  }
}

/** The wish that was withdrawn, or whose sandbox is being destroyed, is not tried again. */
async function orNull(wish: Wish, path: string, beginning: Promise<Begun>): Promise<Begun | null> {
  try {
    return await beginning
  } catch (error) {
    wish.vm.ending.signal.throwIfAborted()
    wish.signal.throwIfAborted()
    if (error instanceof AppError && error.code === 'capacity_exhausted') throw error
    wish.host.metrics.startFailures.inc({ path })
    wish.host.log('start-failed', { id: wish.vm.id, path, ...describe(error) })
    return null
  }
}

/** Gives the machine to the sandbox, lets it go on, and tells it what changed, with its first command, in one round trip. */
async function begin(wish: Wish, machine: Machine, path: HostReady['boot_path']): Promise<Begun> {
  const { host, vm } = wish
  const startedMs = performance.now()
  try {
    vm.boot = { boot_path: path, boot_ms: 0 }
    own(host.journal, vm, machine)
    const resumed = resume(machine)
    // Both are awaited; the request is written without waiting for the answer to `cont`.
    const [command] = await Promise.all([
      firstWords(wish, machine, path === 'cold' ? LIMITS.bootTimeoutMs : LIMITS.restoreTimeoutMs),
      resumed,
    ])
    const nowMs = performance.now()
    vm.boot = { boot_path: path, boot_ms: nowMs - wish.sinceMs }
    vm.spec = { ...vm.spec, expires_at_ms: postponed(vm.spec.expires_at_ms, vm.boot.boot_ms) }
    own(host.journal, vm, machine)
    const phases = { start: startedMs - wish.sinceMs, answer: nowMs - startedMs }
    return { machine, ready: { ...vm.boot, expires_at_ms: vm.spec.expires_at_ms, phases }, command }
  } catch (error) {
    await giveUpMachine(host.journal, vm)
    throw error
  }
}

/**
 * Returns when the guest has answered for the first time. A ping overtakes the command, which takes milliseconds to show
 * itself, so whoever waits for `ready` has that time for its own work.
 */
async function firstWords(
  { host, vm, env, exec, signal }: Wish,
  machine: Machine,
  limitMs: number,
): Promise<FirstCommand> {
  const wake = wakeNow(vm.spec.hostname, { ...(env === undefined ? {} : { env }), egress: host.egress.wordsFor(vm.id) })
  const limit = AbortSignal.timeout(limitMs)
  const patience = AbortSignal.any([limit, signal, vm.ending.signal, machine.died])
  // An agent that boots takes longer to answer than a command may; so the session comes first.
  const session = await machine.guest.session(patience)
  if (exec === undefined) {
    await session.wake(wake, { signal: patience })
    return null
  }
  const rest = runCommand(vm, machine, { ...exec, wake }, signal)
  const first = rest.next()
  // Whoever reads the frames hears of a failure; until then it has to wait for its hearer.
  first.catch(() => {})
  try {
    await Promise.race([first, session.answers(LIMITS.restoreTimeoutMs)])
    return { first, rest }
  } catch (error) {
    // With the session the command ends, too, and knows better than a ping why.
    session.close()
    await first
    throw error
  }
}
