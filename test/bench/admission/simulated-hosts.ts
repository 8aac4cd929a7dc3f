/** Many hosts without machines, in a process of their own, so that what they cost is not counted as the controller's. */

import { SIZES } from '../../../shared/machines.ts'
import { startHostDouble } from '../../integration/controller/support/host-double.ts'

export type Address = { name: string; socketPath: string }
/** What the process is told: these sandboxes run there since long ago. It repeats what it was told when it knows it. */
export type Known = { host: string; ids: string[] }

const hosts = await Promise.all(
  Array.from({ length: Number(process.argv[2]) }, (_, index) =>
    startHostDouble(`host-${String(index).padStart(3, '0')}`),
  ),
)
const byName = new Map(hosts.map((host) => [host.name, host]))

process.on('message', ({ host, ids }: Known) => {
  const now = Date.now()
  for (const id of ids)
    byName.get(host)?.vms.set(id, {
      id,
      state: 'running',
      template: 'default',
      machine: SIZES.small,
      boot_path: 'warm',
      boot_ms: 7,
      started_at_ms: now,
      active_at_ms: now,
      expires_at_ms: null,
      on_expiry: 'pause',
      idle_timeout_sec: 0,
    })
  process.send?.({ host, known: ids.length })
})
process.on('disconnect', () => {
  void Promise.all(hosts.map((host) => host.close())).then(() => process.exit())
})
process.send?.(hosts.map(({ name, socketPath }): Address => ({ name, socketPath })))
