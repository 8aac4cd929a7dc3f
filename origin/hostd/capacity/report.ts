/** What this host says of itself to those who place sandboxes. */
import { availableParallelism } from 'node:os'
import type { HostCapacity } from '../../../shared/contracts/host.ts'
import { SIZES } from '../../../shared/machines.ts'
import type { Host } from '../host.ts'
import { freeBySize, refusalOf, unpromised } from './room.ts'

export function capacityOf(host: Host): HostCapacity {
  const vms = host.registry.all()
  const facts = host.facts()
  const left = unpromised(
    host.promises,
    vms.map((vm) => vm.spec.machine),
  )
  const draining = host.draining.aborted
  return {
    accel: host.site.accel,
    accepting: !draining && refusalOf(SIZES.xs, left, facts) === null,
    draining,
    templates: host.templates.names(),
    image: host.site.image.id,
    vcpus: availableParallelism(),
    memory_mib: host.promises.memoryMib,
    disk_mib: host.promises.diskMib,
    vm_memory_mib_max: facts.memoryTotalMib,
    vms_max: host.promises.vms,
    running: vms.filter((vm) => vm.state !== 'paused').length,
    paused: vms.filter((vm) => vm.state === 'paused').length,
    free: freeBySize(left, facts),
    pool: host.pool.depths(),
    memory_available_mib: facts.memoryAvailableMib,
    disk_available_mib: facts.diskAvailableMib,
  }
}
