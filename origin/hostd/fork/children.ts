/** One child of a fork, from its place on this host to the first answer of its guest. */
import type { VmSpec } from '../../../shared/contracts/host.ts'
import type { ForkAnswer } from '../../../shared/contracts/host-snapshots.ts'
import { AppError, toAppError } from '../../../shared/errors.ts'
import type { Host } from '../host.ts'
import { describe } from '../log.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import { restoreSnapshot } from '../vm/begin.ts'
import { abandon, admit, enter } from '../vm/create-vm.ts'
import { isThere, recordOf, type Vm } from '../vm/vm.ts'

export type NewChild = { kind: 'new'; vm: Vm; begun: () => void }
export type Child = NewChild | { kind: 'there'; vm: Vm } | { kind: 'refused'; id: string; error: unknown }
type Said = ForkAnswer['children'][number]

/** A place for a child, unless it has one or there is none. A new one is to be started, or abandoned. */
export function admitChild(host: Host, spec: VmSpec, parent: string): Child {
  const there = host.registry.get(spec.id)
  if (there !== undefined) return { kind: 'there', vm: there }
  try {
    const vm = admit(host, spec, parent)
    const { promise, resolve } = Promise.withResolvers<void>()
    vm.started = promise
    return { kind: 'new', vm, begun: resolve }
  } catch (error) {
    return { kind: 'refused', id: spec.id, error }
  }
}

/** It never rejects. */
export async function startChild(host: Host, child: Child, snapshot: Snapshot): Promise<Said> {
  switch (child.kind) {
    case 'refused':
      return failed(child.id, child.error)
    case 'there':
      return join(child.vm)
    case 'new':
      return begin(host, child, snapshot)
  }
}

async function begin(host: Host, child: NewChild, snapshot: Snapshot): Promise<Said> {
  const { vm } = child
  const { signal } = vm.ending
  try {
    // It has the environment of its parent.
    const wish = { host, vm, env: undefined, exec: undefined, signal, sinceMs: performance.now() }
    const begun = await restoreSnapshot(wish, snapshot)
    signal.throwIfAborted()
    enter(host, vm, begun)
    child.begun()
    return { kind: 'made', vm: recordOf(vm) }
  } catch (error) {
    host.log('child-failed', { id: vm.id, ...describe(error) })
    await abandonChild(host, child)
    return failed(vm.id, error)
  }
}

/** Nothing of it is left. What could not be freed has no owner, so the next daemon reaps it. */
export async function abandonChild(host: Host, { vm, begun }: NewChild): Promise<void> {
  await abandon(host, vm).catch((error) => host.log('cleanup-failed', { id: vm.id, ...describe(error) }))
  begun()
}

/** As a create that is repeated is answered. */
export async function join(vm: Vm): Promise<Said> {
  await vm.started
  if (isThere(vm)) return { kind: 'made', vm: recordOf(vm) }
  return failed(vm.id, new AppError('boot_failed', 'The first start of this child failed.'))
}

function failed(id: string, error: unknown): Said {
  const { code, message } = toAppError(error)
  return { kind: 'failed', id, code, message }
}
