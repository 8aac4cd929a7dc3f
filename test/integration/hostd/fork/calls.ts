/** What the tests of forks, restores and merges ask of a host. */
import type { VmRecord, VmSpec } from '../../../../shared/contracts/host.ts'
import { type ForkAnswer, forkAnswer, HOST_SNAPSHOT_ROUTES } from '../../../../shared/contracts/host-snapshots.ts'
import type { Answer, Daemon } from '../../../harness/host-daemon.ts'
import { exec, spec, textOf } from '../requests.ts'

export const NO_DEADLINES = { expires_at_ms: null, on_expiry: 'pause', idle_timeout_sec: 0 } as const

const pathOf = (verb: 'fork' | 'restore' | 'merge', id: string): string =>
  HOST_SNAPSHOT_ROUTES[verb].path.replace(':id', id)

export const askFork = (host: Daemon, parent: string, children: VmSpec[]): Promise<Answer> =>
  host.send('POST', pathOf('fork', parent), { children })

export async function fork(host: Daemon, parent: string, ...children: (string | VmSpec)[]): Promise<ForkAnswer> {
  const specs = children.map((child) => (typeof child === 'string' ? spec(child) : child))
  const { status, body } = await askFork(host, parent, specs)
  if (status !== 200) throw new Error(`${status} ${body}`)
  return forkAnswer.parse(JSON.parse(body))
}

/** What became of each child: `made`, or the code of its failure. */
export const fates = ({ children }: ForkAnswer): string[] =>
  children.map((child) => (child.kind === 'made' ? 'made' : child.code))

export const askRestore = (host: Daemon, id: string, snapshot_id: string): Promise<Answer> =>
  host.send('POST', pathOf('restore', id), { snapshot_id, deadlines: NO_DEADLINES })

export const askMerge = (host: Daemon, parent: string, winner: string): Promise<Answer> =>
  host.send('POST', pathOf('merge', parent), { winner })

export const end = (host: Daemon, id: string): Promise<Answer> => host.send('DELETE', `/v1/vms/${id}`)
export const pause = (host: Daemon, id: string): Promise<Answer> => host.send('POST', `/v1/vms/${id}/pause`)
export const resume = (host: Daemon, id: string): Promise<Answer> =>
  host.send('POST', `/v1/vms/${id}/resume`, NO_DEADLINES)

export const say = async (host: Daemon, id: string, line: string): Promise<string> =>
  textOf(await exec(host, id, line)).trim()

export const vmOf = async (host: Daemon, id: string): Promise<VmRecord | undefined> =>
  (await host.inventory()).vms.find((vm) => vm.id === id)

/** To disk it goes by itself, where the host does not leave it in memory for long. */
export async function pauseIn(host: Daemon, id: string, place: 'memory' | 'disk'): Promise<void> {
  await pause(host, id)
  if (place === 'disk')
    await host.until('it is on disk', 60_000, async () => (await vmOf(host, id))?.standby === 'disk')
}

/** Every sandbox of the host by its id, with its state. */
export async function states(host: Daemon): Promise<Record<string, string>> {
  return Object.fromEntries((await host.inventory()).vms.map(({ id, state }) => [id, state]))
}

/** Exactly so many machines are there, and files of no others. It waits, because a template may be in the making. */
export const untilOnly = (host: Daemon, count: number): Promise<void> =>
  host.until(`there are ${count} machines, and nothing of others`, 60_000, async () => {
    const [machines, leftovers] = await Promise.all([host.machines(), host.leftovers()])
    return machines.length === count && leftovers.length === 2 * count
  })
