/** Gives a sandbox's room back as soon as its machine ends by itself. */
import { reasonOf } from '../machine/death.ts'
import type { Machine } from '../machine/machine.ts'
import type { Registry } from './registry.ts'
import type { Vm } from './vm.ts'

export function watch(vm: Vm, machine: Machine, registry: Registry): void {
  const lose = (): void =>
    void registry.lose(vm, { reason: reasonOf(machine.died.reason), cause: 'died', at_ms: Date.now() })
  if (machine.died.aborted) lose()
  else machine.died.addEventListener('abort', lose, { once: true })
}
