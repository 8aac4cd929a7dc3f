/** A region for the bench of admission: a real controller process on its own PostgreSQL, many simulated hosts, many tenants. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { type ControllerProcess, startControllerProcess } from '../../integration/controller/support/process.ts'
import { type SeededTenant, seedTenants } from '../../integration/controller/support/seed-tenants.ts'
import type { Address, Known } from './simulated-hosts.ts'

export type AdmissionStage = {
  controller: ControllerProcess
  hosts: Address[]
  /** The first one holds what others do not: it is the tenant that creates alone. */
  tenants: SeededTenant[]
  /** Tells the hosts of machines that they run. */
  know(rows: { id: string; host: string }[]): Promise<void>
  end(): Promise<void>
}

const HOSTS = 100
const TENANTS = 50
const SIMULATED_HOSTS = fileURLToPath(new URL('./simulated-hosts.ts', import.meta.url))

export async function startAdmissionStage(): Promise<AdmissionStage> {
  const child = fork(SIMULATED_HOSTS, [String(HOSTS)])
  const [hosts] = (await once(child, 'message')) as [Address[]]
  const controller = await startControllerProcess(...hosts)
  const tenants = await seedTenants(controller.sql, TENANTS)
  return {
    controller,
    hosts,
    tenants,
    know: (rows) => tell(child, rows),
    async end() {
      await controller.remove()
      child.disconnect()
      await once(child, 'exit')
    },
  }
}

async function tell(child: ChildProcess, rows: { id: string; host: string }[]): Promise<void> {
  const byHost = Map.groupBy(rows, ({ host }) => host)
  for (const [host, some] of byHost) {
    const heard = once(child, 'message')
    child.send({ host, ids: some.map(({ id }) => id) } satisfies Known)
    await heard
  }
}
