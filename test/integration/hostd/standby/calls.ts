/** What the tests of standby ask of a host. */

import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { VmRecord } from '../../../../shared/contracts/host.ts'
import type { Answer, Daemon } from '../../../harness/host-daemon.ts'
import { exec, textOf } from '../requests.ts'

const ON_DISK_MS = 60_000

export const RESUMED = { expires_at_ms: null, on_expiry: 'pause', idle_timeout_sec: 0 }

export const pause = (host: Daemon, id: string): Promise<Answer> => host.send('POST', `/v1/vms/${id}/pause`)
export const resume = (host: Daemon, id: string): Promise<Answer> => host.send('POST', `/v1/vms/${id}/resume`, RESUMED)

export async function recordOf(host: Daemon, id: string): Promise<VmRecord | undefined> {
  return (await host.inventory()).vms.find((vm) => vm.id === id)
}

/** Where it is: its state, and where it stands when it is paused. */
export async function whereIs(host: Daemon, id: string): Promise<string> {
  const record = await recordOf(host, id)
  return record === undefined ? 'nowhere' : [record.state, record.standby].filter(Boolean).join(' in ')
}

export const untilOnDisk = (host: Daemon, id: string): Promise<void> =>
  host.until(`${id} is on disk`, ON_DISK_MS, async () => (await whereIs(host, id)) === 'paused in disk')

export const say = async (host: Daemon, id: string, line: string): Promise<string> =>
  textOf(await exec(host, id, line)).trim()

/** What is on disk for sandboxes that are paused there: the words of the journal, and the snapshots. */
export async function parkedFiles(host: Daemon): Promise<{ records: string[]; snapshots: string[]; layers: string[] }> {
  const [records = [], snapshots = [], layers = []] = await Promise.all(
    ['parked', 'snapshots', 'layers'].map((name) => readdir(join(host.stateDir, name))),
  )
  return { records, snapshots, layers: layers.filter((file) => file.endsWith('.qcow2')) }
}
