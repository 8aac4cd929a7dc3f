/** Gives a sandbox's room back as soon as its machine ends by itself. */

import { describe, type Log } from '../log.ts'
import { reasonOf } from '../machine/death.ts'
import type { Machine } from '../machine/machine.ts'
import type { Registry } from './registry.ts'
import type { Vm } from './vm.ts'

export function watch(vm: Vm, machine: Machine, registry: Registry, log: Log): void {
  const lose = (): void => {
    // It is ended on purpose when its sandbox goes on somewhere else.
    if (vm.machine !== machine) return
    const loss = { reason: reasonOf(machine.died.reason), cause: 'died', at_ms: Date.now() } as const
    registry.lose(vm, loss).catch((error) => log('cleanup-failed', { id: vm.id, ...describe(error) }))
  }
  if (machine.died.aborted) lose()
  else machine.died.addEventListener('abort', lose, { once: true })
}
