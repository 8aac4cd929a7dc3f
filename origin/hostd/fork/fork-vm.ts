/**
 * Children that go on from where a running sandbox is. It stands still once, for all of them, and goes on with its commands; each child
 * starts by itself, and one that fails leaves nothing and is no matter of its siblings.
 *
 * What is kept of the parent for that is a snapshot which nobody else sees, and which goes when the last child stands.
 */
import { randomBytes } from 'node:crypto'
import type { VmSpec } from '../../../shared/contracts/host.ts'
import type { ForkAnswer, ForkBody } from '../../../shared/contracts/host-snapshots.ts'
import { AppError } from '../../../shared/errors.ts'
import { wakeNow } from '../guest-wake.ts'
import type { Host } from '../host.ts'
import { describe } from '../log.ts'
import type { Machine } from '../machine/machine.ts'
import { captureMachine } from '../snapshot/capture.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import { answeringSession } from '../vm/answering-session.ts'
import { takeTurn } from '../vm/in-turn.ts'
import { ownStill } from '../vm/own.ts'
import type { Vm } from '../vm/vm.ts'
import { abandonChild, admitChild, type Child, join, startChild } from './children.ts'

/**
 * Children that exist already are answered as made; when all do, the parent is not looked at. Throws AppError, and then no child is there
 * that was not before: `sandbox_not_found`, `sandbox_lost`, `sandbox_expired`, `sandbox_not_running` when it is paused, `guest_unreachable`,
 * what `captureMachine` throws, and when there is room for no child why not.
 */
export async function forkVm(host: Host, id: string, { children: specs }: ForkBody): Promise<ForkAnswer> {
  if (specs.some((spec) => spec.id === id)) throw new AppError('invalid_request', 'A sandbox is not its own child.')
  const before = allThere(host, specs)
  if (before !== null) return answerAgain(before)
  const conception = await takeTurn(host, id, (vm, machine) => conceive(host, vm, machine, specs))
  return Array.isArray(conception) ? answerAgain(conception) : bear(host, id, conception)
}

function allThere({ registry }: Host, specs: VmSpec[]): Vm[] | null {
  const there = specs.flatMap((spec) => registry.get(spec.id) ?? [])
  return there.length === specs.length ? there : null
}

const answerAgain = async (children: Vm[]): Promise<ForkAnswer> => ({
  stopped_ms: 0,
  children: await Promise.all(children.map(join)),
})

type Conception = { children: Child[]; snapshot: Snapshot }

async function bear(host: Host, id: string, { children, snapshot }: Conception): Promise<ForkAnswer> {
  const sinceMs = performance.now()
  const { bytes, stopped_ms } = snapshot.manifest
  const said = await Promise.all(children.map((child) => startChild(host, child, snapshot)))
  await host.snapshots
    .remove(snapshot.manifest.id)
    .catch((error) => host.log('cleanup-failed', { id, ...describe(error) }))
  const made = said.filter(({ kind }) => kind === 'made').length
  host.metrics.forkChildren.inc({ outcome: 'made' }, made)
  host.metrics.forkChildren.inc({ outcome: 'failed' }, said.length - made)
  const ms = { stopped_ms: Math.round(stopped_ms), children_ms: Math.round(performance.now() - sinceMs) }
  host.log('sandbox-forked', { id, made, failed: said.length - made, bytes, ...ms })
  return { stopped_ms, children: said }
}

/** All children have their places before the parent stands still for them. Those that exist, when none is new any more. */
async function conceive(host: Host, vm: Vm, machine: Machine, specs: VmSpec[]): Promise<Conception | Vm[]> {
  const before = allThere(host, specs)
  if (before !== null) return before
  if (vm.state !== 'running') throw new AppError('sandbox_not_running', `The sandbox is ${vm.state}.`)
  const session = await answeringSession(vm, machine)
  const { template, machine: shape } = vm.spec
  const children = specs.map((spec) => admitChild(host, { ...spec, template, machine: shape }, vm.id))
  const born = children.filter((child) => child.kind === 'new')
  const refused = children.find((child) => child.kind === 'refused')
  if (born.length === 0 && refused !== undefined) throw refused.error
  try {
    const snapshot = await captureMachine(host, machine, {
      ...{ id: `fork-${randomBytes(8).toString('hex')}`, kind: 'fork', sandbox: vm.id, template, shape },
      stance: 'runs',
      record: () => ownStill(host.journal, vm, machine),
    })
    // It is told the time again, of which it missed a little.
    session.wake(wakeNow(vm.spec.hostname)).catch((error) => host.log('wake-failed', { id: vm.id, ...describe(error) }))
    return { children, snapshot }
  } catch (error) {
    for (const child of born) await abandonChild(host, child)
    vm.ending.signal.throwIfAborted()
    throw error
  }
}
