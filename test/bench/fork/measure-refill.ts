/** What it costs to fill a pool: time and processor time for each primed machine. */
import { readProcessUsage } from '../../../origin/hostd/qemu/process-usage.ts'
import type { Daemon } from '../../harness/host-daemon.ts'
import { begin, end, POOLED, POOLED_MACHINE, startHost } from './stage.ts'

export type Refill = { machines: number; ms: number; coreMs: number }

/** Of a host whose template is there already. */
export async function measureRefill(machines: number): Promise<Refill> {
  const host = await startHost({ ATOLL_POOL: `${POOLED}=${machines}`, ATOLL_SHELLS: '0' })
  try {
    await host.untilPooled(POOLED, machines)
    // All are taken at once; what takes the place of each is what is measured.
    const before = await cpuMsInAll(host)
    const sinceMs = performance.now()
    const ids = Array.from({ length: machines }, (_, index) => `taken-${index}`)
    await Promise.all(ids.map((id) => begin(host, id, POOLED_MACHINE)))
    await host.untilPooled(POOLED, machines)
    const ms = performance.now() - sinceMs
    const coreMs = (await cpuMsInAll(host)) - before
    for (const id of ids) await end(host, id)
    return { machines, ms, coreMs }
  } finally {
    await host.stop()
  }
}

/** Of the daemon and all its machines. */
async function cpuMsInAll(host: Daemon): Promise<number> {
  const usages = await Promise.all((await host.machines()).map(readProcessUsage))
  const { body } = await host.send('GET', '/metrics')
  const own = Number(/^process_cpu_seconds_total (\S+)$/m.exec(body)?.[1]) * 1_000
  return usages.reduce((sum, usage) => sum + (usage?.cpuMs ?? 0), own)
}
