/** A machine of the smallest size, booted on KVM to see whether it comes up. */
import { LIMITS } from '../../../shared/limits.ts'
import { resume } from '../machine/machine.ts'
import { type Site, startBlank } from '../machine/start.ts'

export async function bootsOnKvm(site: Omit<Site, 'accel'>): Promise<boolean> {
  const shape = { vcpus: 1, memoryMib: LIMITS.memoryMibMin, diskMib: LIMITS.diskMibMin * 10 }
  const machine = await startBlank({ ...site, accel: 'kvm' }, 'default', shape).catch(() => null)
  if (machine === null) return false
  try {
    await resume(machine)
    await machine.guest.session(AbortSignal.any([AbortSignal.timeout(LIMITS.accelProbeMs), machine.died]))
    return true
  } catch {
    return false
  } finally {
    await machine.end()
  }
}
