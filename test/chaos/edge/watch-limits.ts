/**
 * Holds the limits while a history goes on: what all regions may use of a tenant's limit, and what they do use, is never more than it.
 *
 * The rows of all regions are locked before any is read, so what is summed up was true at one and the same moment. A region whose
 * database is away creates nothing, and is left out of that sum: then it shows too little, never too much.
 */
import type pg from 'pg'
import type { RegionSite } from './region-site.ts'
import type { Tenant } from './world.ts'

export type LimitWatch = {
  looks: number
  stop(): Promise<void>
}
type Share = { tenant: string; granted: number; used: number; counted: number }

const LOOK_EVERY_MS = 60
const LOCK_MS = 1_000

export function watchLimits(
  regions: readonly RegionSite[],
  tenants: readonly Tenant[],
  report: (fault: string) => void,
): LimitWatch {
  let isOver = false
  const watch = async (): Promise<void> => {
    while (!isOver) {
      for (const fault of await lookAt(regions, tenants)) report(fault)
      self.looks += 1
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))
    }
  }
  const watching = watch()
  const self: LimitWatch = {
    looks: 0,
    async stop() {
      isOver = true
      await watching
    },
  }
  return self
}

export async function lookAt(regions: readonly RegionSite[], tenants: readonly Tenant[]): Promise<string[]> {
  const ids = tenants.map(({ id }) => id)
  const held = await Promise.all(regions.map(({ pool }) => holdShares(pool, ids).catch(() => undefined)))
  const shares = (await Promise.all(held.map((one) => one?.read().catch(() => [])))).map((read) => read ?? [])
  return [
    ...tenants.flatMap((tenant) => faultsOf(tenant, shares)),
    ...shares.flat().flatMap(({ tenant, used, counted }) => {
      return used === counted ? [] : [`${tenant} has ${counted} rows that count, and ${used} slots are used`]
    }),
  ]
}

function faultsOf({ id, limitMax }: Tenant, shares: Share[][]): string[] {
  const own = shares.map((region) => region.find(({ tenant }) => tenant === id))
  const live = own.reduce((sum, share) => sum + (share?.counted ?? 0), 0)
  const held = own.reduce((sum, share) => sum + Math.max(share?.granted ?? 0, share?.used ?? 0), 0)
  const words = own.map((share) => (share === undefined ? '-' : `${share.used} of ${share.granted}`)).join(', ')
  return [
    ...(live > limitMax ? [`${id} has ${live} sandboxes at a limit of ${limitMax}: ${words}`] : []),
    ...(held > limitMax ? [`${id} may have ${held} sandboxes at a limit of ${limitMax}: ${words}`] : []),
  ]
}

/** Locked when this resolves; let go when they are read. */
async function holdShares(pool: pg.Pool, ids: string[]): Promise<{ read(): Promise<Share[]> }> {
  const client = await pool.connect()
  // Nobody else hears of a connection that breaks while it is held.
  const onError = (): void => undefined
  client.on('error', onError)
  const release = (isBroken: boolean): void => {
    client.off('error', onError)
    client.release(isBroken)
  }
  try {
    await client.query(`begin; set local lock_timeout = ${LOCK_MS}`)
    await client.query('select from quota_grant where tenant = any($1) order by tenant for update', [ids])
  } catch (err) {
    release(true)
    throw err
  }
  return {
    async read() {
      try {
        const { rows } = await client.query<Share>(
          `select tenant, granted, used, (
             select count(*)::int from sandbox where sandbox.tenant = quota_grant.tenant and is_counted(state)) as counted
           from quota_grant where tenant = any($1)`,
          [ids],
        )
        await client.query('commit')
        release(false)
        return rows
      } catch (err) {
        release(true)
        throw err
      }
    },
  }
}
