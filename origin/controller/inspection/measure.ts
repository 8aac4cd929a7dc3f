/** What a sandbox's machine uses at this moment, by its host's word. A machine that cannot be asked is no error: its values are absent. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { VmStats } from '../../../shared/contracts/host.ts'
import type { SandboxMetrics } from '../../../shared/contracts/inspection.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Controller } from '../controller.ts'
import type { SandboxRow } from '../database/schema/sandboxes.ts'

export async function readStats({ hosts }: Controller, row: SandboxRow): Promise<VmStats | null> {
  const answer = await hosts.get(row.host)?.stats(row.id)
  return answer?.kind === 'done' ? answer.value : null
}

const MIB = 1_048_576

/** Looks twice, a moment apart, because how busy a processor is shows only over time. */
export async function measureSandbox(controller: Controller, row: SandboxRow, window: string): Promise<SandboxMetrics> {
  const first = await readStats(controller, row)
  if (first?.state === 'running') await sleep(LIMITS.cpuSampleMs)
  const last = first?.state === 'running' ? await readStats(controller, row) : first
  const mib = (bytes: number | undefined): number | null => (bytes === undefined ? null : Math.round(bytes / MIB))
  return {
    resource_type: 'sandbox',
    window,
    current: {
      cpu_count: row.vcpus,
      memory_mb: row.memoryMib,
      disk_size_mb: row.diskMib,
      cpu_percent: first === null || last === null ? null : cpuPercent(first, last, row.vcpus),
      memory_used_mb: mib(last?.resident_bytes),
      memory_private_mb: mib(last?.private_bytes),
      disk_used_mb: mib(last?.disk_bytes),
      measurement_status: last === null ? 'unavailable' : 'measured',
    },
    series: [],
  }
}

/** Of all processors, to a tenth. QEMU's own threads count, too, so it is held to a hundred; a clock that stood still makes 0. */
export function cpuPercent(first: VmStats, last: VmStats, vcpus: number): number {
  const ms = last.at_ms - first.at_ms
  if (ms <= 0) return 0
  const percent = (100 * (last.cpu_ms - first.cpu_ms)) / ms / vcpus
  return Math.round(Math.min(100, Math.max(0, percent)) * 10) / 10
}
