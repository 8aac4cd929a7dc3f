/** The host that forks and pauses are measured on: a small machine, and everything as a host has it by default. */
import { SIZES } from '../../../shared/machines.ts'
import { Daemon } from '../../harness/host-daemon.ts'
import { create, exec, exitOf, readyOf, shell, spec } from '../../integration/hostd/requests.ts'

export const SMALL = { vcpus: 1, memoryMib: 512, diskMib: 2_000 }
export const POOLED = 'default@xs'

export const startHost = (settings: Record<string, string> = {}): Promise<Daemon> =>
  Daemon.start({ ATOLL_ACCEL: 'auto', ATOLL_SHELLS: '2', ...settings })

const TEMPLATE_MS = 180_000

/**
 * A sandbox that goes on from its template, which is made after the first one of its kind was booted: one that was booted has all of its
 * memory to itself, and would be another thing to measure.
 */
export async function begin(host: Daemon, id: string, machine: typeof SMALL = SMALL): Promise<void> {
  for (;;) {
    const [readyBefore, failedBefore] = [countIn(host.log, 'template-ready'), countIn(host.log, 'template-failed')]
    const made = await create(host, spec(id, { machine }), shell('true'))
    if (readyOf(made).boot_path !== 'cold') return
    await end(host, id)
    await host.until('its template is made', TEMPLATE_MS, async () => {
      if (countIn(host.log, 'template-failed') > failedBefore) throw new Error(`No template was made.\n${host.log}`)
      return countIn(host.log, 'template-ready') > readyBefore
    })
  }
}

const countIn = (log: string, event: string): number => log.split(event).length - 1

export const end = (host: Daemon, id: string) => host.send('DELETE', `/v1/vms/${id}`)

/** How long one command took, in milliseconds. */
export async function run(host: Daemon, id: string, line = 'true'): Promise<number> {
  const ran = await exec(host, id, line, { timeout_ms: 60_000 })
  if (exitOf(ran).exit_code !== 0) throw new Error(`${id}: ${ran.body}`)
  return ran.ms
}

export async function timed(deed: () => Promise<unknown>): Promise<number> {
  const sinceMs = performance.now()
  await deed()
  return performance.now() - sinceMs
}

/** The size that the pool of the bench has. */
export const POOLED_MACHINE = SIZES.xs
