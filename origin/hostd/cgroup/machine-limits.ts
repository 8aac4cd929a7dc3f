/**
 * What one machine may take of its host, as the files of its cgroup say it. Decisions only.
 *
 * These are for a QEMU that was taken over or runs wild: a guest is bounded by its own shape already. So they leave room for what QEMU
 * needs beside the guest, and a sandbox that behaves never meets them, but for the disk, whose speed is shared by all.
 */
import { LIMITS } from '../../../shared/limits.ts'
import type { Machine as Shape } from '../../../shared/machines.ts'
import type { Controller } from './survey.ts'

const MIB = 1024 * 1024
const PERIOD_US = 100_000

/** `device` is the disk that holds the machines' layers, as `major:minor`; null where the kernel counts no I/O, as on tmpfs. */
export function limitsOf(shape: Shape, has: readonly Controller[], device: string | null): Map<string, string> {
  const limits = new Map<string, string>()
  if (has.includes('cpu')) {
    limits.set('cpu.max', `${(shape.vcpus + LIMITS.vmSpareCpus) * PERIOD_US} ${PERIOD_US}`)
    // Where all want more than there is, a machine gets its share by what it was made with.
    limits.set('cpu.weight', String(LIMITS.vmCpuWeightPerVcpu * shape.vcpus))
  }
  if (has.includes('memory')) limits.set('memory.max', String((shape.memoryMib + LIMITS.vmOverheadMib) * MIB))
  if (has.includes('pids')) limits.set('pids.max', String(shape.vcpus + LIMITS.vmThreadsMax))
  if (has.includes('io') && device !== null) {
    const [bytes, operations] = [LIMITS.vmDiskBytesPerSecMax, LIMITS.vmDiskOpsPerSecMax]
    limits.set('io.max', `${device} rbps=${bytes} wbps=${bytes} riops=${operations} wiops=${operations}`)
  }
  return limits
}
