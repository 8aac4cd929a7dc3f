/** Makes a region full: rows of running sandboxes by SQL, through the real trigger. */
import { randomBytes } from 'node:crypto'
import { newId } from '../../../../shared/ids.ts'
import { SIZES } from '../../../../shared/machines.ts'

export type Filling = {
  sql(text: string, values?: unknown[]): Promise<unknown[]>
  hosts: string[]
  tenants: string[]
  /** Tells the hosts of machines that they run. Without it they run none. */
  know?(rows: { id: string; host: string }[]): Promise<void>
}

/** Rows that share a row of quota or of a host are written in transactions of this size: its versions pile up until a commit. */
const ROWS_AT_ONCE = 500

export async function fillRegion({ sql, hosts, tenants, know }: Filling, count: number): Promise<void> {
  const { vcpus, memoryMib, diskMib } = SIZES.small
  const rows = Array.from({ length: count }, (_, n) => ({
    id: newId('sbx', 'usw1', Date.now(), randomBytes(16)),
    host: hosts[n % hosts.length] ?? '',
    tenant: tenants[n % tenants.length] ?? '',
  }))
  for (let from = 0; from < rows.length; from += ROWS_AT_ONCE) {
    const some = rows.slice(from, from + ROWS_AT_ONCE)
    // A row that has no machine for a moment is left alone while its last change seems to be yet to come.
    await sql(
      `insert into sandbox (id, tenant, state, revision, host, instance, template, vcpus, memory_mib, disk_mib, timeout_sec,
         idle_timeout_sec, always_on, persistent, env, metadata, tags, created_at, changed_at, started_at, ready_at)
       select id, tenant, 'running', 2, host, 0, 'default', ${vcpus}, ${memoryMib}, ${diskMib}, 300, 0, true, true,
         '{}', '{}', '{}', now(), now() + interval '5 seconds', now(), now()
       from unnest($1::text[], $2::text[], $3::text[]) as row (id, tenant, host)`,
      [some.map(({ id }) => id), some.map(({ tenant }) => tenant), some.map(({ host }) => host)],
    )
    await know?.(some)
  }
  await sql('vacuum analyze')
}
