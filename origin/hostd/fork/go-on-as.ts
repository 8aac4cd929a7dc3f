/**
 * A sandbox goes on as another machine: what a restore and a merge end with.
 *
 *   the other machine is journalled as this sandbox's      the step that decides: of two machines of one sandbox a daemon that
 *                                                          starts takes up the one that began later, and reaps the other
 *   the sandbox's name points to it                        what waits for the machine before fails with `reason`
 *   the machine before is disowned, and ended
 */
import type { VmRecord } from '../../../shared/contracts/host.ts'
import { AppError } from '../../../shared/errors.ts'
import type { Host } from '../host.ts'
import { describe } from '../log.ts'
import type { Machine } from '../machine/machine.ts'
import { own } from '../vm/own.ts'
import { recordOf, type Vm } from '../vm/vm.ts'

/** `machine` is `next`'s, or nobody's yet. Throws AppError('state_conflict') when either is being ended: then nothing has changed. */
export async function goOnAs(
  host: Host,
  vm: Vm,
  { next, machine, reason }: { next: Vm; machine: Machine; reason: string },
): Promise<VmRecord> {
  if (vm.gone !== null || next.gone !== null)
    throw new AppError('state_conflict', 'One of the sandboxes is being destroyed.')
  const became = {
    id: vm.id,
    spec: { ...next.spec, id: vm.id, hostname: vm.spec.hostname },
    startedAtMs: Math.max(Date.now(), vm.startedAtMs + 1),
    activeAtMs: Date.now(),
  }
  // Written before it is so here: where it cannot be written, nothing has changed.
  own(host.journal, { ...next, ...became }, machine)
  const ended = host.registry.succeed(vm, next, new AppError('sandbox_replaced', reason))
  Object.assign(next, became, { machine })
  // Nobody owns what is left of it, so the next daemon reaps it.
  await ended.catch((error) => host.log('cleanup-failed', { id: vm.id, ...describe(error) }))
  return recordOf(next)
}
