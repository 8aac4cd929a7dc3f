/** A region for the bench of admission: a real controller process on its own PostgreSQL, many simulated hosts, many tenants. */
import { type ChildProcess, fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { hashKey } from '../../../origin/controller/accounts/secrets.ts'
import { SCOPES } from '../../../shared/accounts.ts'
import { newApiKey } from '../../../shared/ids.ts'
import { type ControllerProcess, startControllerProcess } from '../../integration/controller/support/process.ts'
import { PEPPER } from '../../integration/controller/support/region.ts'
import type { Address, Known } from './simulated-hosts.ts'

export type Tenant = { id: string; key: string }
export type AdmissionStage = {
  controller: ControllerProcess
  hosts: Address[]
  /** The first one holds what others do not: it is the tenant that creates alone. */
  tenants: Tenant[]
  /** Tells the hosts of machines that they run. */
  know(rows: { id: string; host: string }[]): Promise<void>
  end(): Promise<void>
}

const HOSTS = 100
const TENANTS = 50
const UNBOUNDED = 1_000_000
const SIMULATED_HOSTS = fileURLToPath(new URL('./simulated-hosts.ts', import.meta.url))

export async function startAdmissionStage(): Promise<AdmissionStage> {
  const child = fork(SIMULATED_HOSTS, [String(HOSTS)])
  const [hosts] = (await once(child, 'message')) as [Address[]]
  const controller = await startControllerProcess(...hosts)
  const tenants = Array.from({ length: TENANTS }, (_, n) => ({
    id: `tenant_${n}`,
    key: newApiKey('test', randomBytes(32)),
  }))
  await seed(controller, tenants)
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

async function seed({ sql }: ControllerProcess, tenants: Tenant[]): Promise<void> {
  await sql(
    `insert into tier (name, concurrency, requests_per_minute, max_size, max_timeout_sec, max_body_mib)
     values ('bench', ${UNBOUNDED}, ${UNBOUNDED}, 'xl', 86400, 4)`,
  )
  await sql(`insert into tenant (id, name, tier) select id, id, 'bench' from unnest($1::text[]) id`, [
    tenants.map(({ id }) => id),
  ])
  await sql(`insert into quota_grant (tenant, granted) select id, ${UNBOUNDED} from unnest($1::text[]) id`, [
    tenants.map(({ id }) => id),
  ])
  await sql(
    `insert into api_key (id, hash, tenant, tier, scopes, status, key_version)
     select 'key_' || tenant, hash, tenant, 'bench', $3, 'active', 1 from unnest($1::text[], $2::text[]) as row (tenant, hash)`,
    [tenants.map(({ id }) => id), tenants.map(({ key }) => hashKey(PEPPER, key)), [...SCOPES]],
  )
}

async function tell(child: ChildProcess, rows: { id: string; host: string }[]): Promise<void> {
  const byHost = Map.groupBy(rows, ({ host }) => host)
  for (const [host, some] of byHost) {
    const heard = once(child, 'message')
    child.send({ host, ids: some.map(({ id }) => id) } satisfies Known)
    await heard
  }
}
