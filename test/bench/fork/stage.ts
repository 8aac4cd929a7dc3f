/** The host that forks and pauses are measured on: a small machine, and everything as a host has it by default. */
import { SIZES } from '../../../shared/machines.ts'
import { Daemon } from '../../harness/host-daemon.ts'
import { create, exec, exitOf, readyOf, shell, spec } from '../../integration/hostd/requests.ts'

export const SMALL = { vcpus: 1, memoryMib: 512, diskMib: 2_000 }
export const POOLED = 'default@xs'

export const startHost = (settings: Record<string, string> = {}): Promise<Daemon> =>
  Daemon.start({ ATOLL_ACCEL: 'auto', ATOLL_SHELLS: '2', ...settings })

/** A sandbox that goes on from its template: the first one of a host may have to make that. */
export async function begin(host: Daemon, id: string, machine: typeof SMALL = SMALL): Promise<void> {
  for (let tries = 0; ; tries++) {
    const made = await create(host, spec(id, { machine }), shell('true'))
    if (readyOf(made).boot_path !== 'cold' || tries > 0) return
    await end(host, id)
    await host.until('its template is made', 120_000, async () => (await host.leftovers()).length === 0)
  }
}

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
