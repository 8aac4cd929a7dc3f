/**
 * The world of the histories: three regions with controllers as processes, the real edge on workerd before them, and ways of some
 * length between all of them.
 *
 *   clients --- edge ===way=== region usw1 (home, two controllers) --- database, host
 *      |          '====way=== region eu1, region use1              --- database, host, each
 *      '------ any region directly
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DEFAULT_TIERS, SCOPES, type Tiers } from '../../../shared/accounts.ts'
import { REGISTRY_PATH, type Region, type RegionRegistry } from '../../../shared/regions.ts'
import { bundleController } from '../../harness/bundle-controller.ts'
import { at, INTERNAL, OPERATOR, textAt, until } from '../../integration/controller/support/region.ts'
import { type EdgeSite, startEdgeSite } from './edge-site.ts'
import { type RegionSite, startRegionSite } from './region-site.ts'

export type Tenant = {
  id: string
  key: string
  keyId: string
  /** In force, or about to be. */
  limit: number
  /** The largest that was ever in force, and what came back from regions that had been given up. */
  limitMax: number
}

export type World = {
  edge: EdgeSite
  home: RegionSite
  regions: RegionSite[]
  region(code: string): RegionSite
  /** Every region knows it when this resolves; what KV shows is another matter. */
  addTenant(limit: number): Promise<Tenant>
  setLimit(tenant: Tenant, limit: number): Promise<void>
  revoke(tenant: Tenant): Promise<void>
  /** Tells a region that lives, if there is one, that another one is dead. None of its controllers may run. */
  fence(dead: string, tenant: Tenant): Promise<void>
  /** Regions that take no new sandboxes, as an operator tells the edge. False when it does not take that in. */
  setDraining(codes: readonly string[]): Promise<boolean>
  close(): Promise<void>
}

/** Of each there is a tier, so that a limit is changed by giving a tenant another one. KV would show a new tier only after its lag. */
export const TIER_LIMITS = [1, 2, 3, 4, 6, 9, 16]
const KNOWN_WITHIN_MS = 90_000
/** Refuses every connection. */
const NOWHERE = 'http://127.0.0.1:1'

const PLACES: Pick<Region, 'code' | 'lat' | 'lon' | 'continents'>[] = [
  { code: 'usw1', lat: 37.4, lon: -122.1, continents: ['NA', 'AS', 'OC'] },
  { code: 'eu1', lat: 50.1, lon: 8.7, continents: ['EU', 'AF'] },
  { code: 'use1', lat: 39.0, lon: -77.5, continents: ['SA'] },
]
const ONE_WAY_MS: Record<string, number> = { usw1: 2, eu1: 12, use1: 6 }

const tierOf = (limit: number): string => `at-most-${limit}`
const TIERS: Tiers = {
  ...DEFAULT_TIERS,
  ...Object.fromEntries(
    TIER_LIMITS.map((limit) => [
      tierOf(limit),
      { ...DEFAULT_TIERS.scale, concurrency: limit, requestsPerMinute: 1_000_000 },
    ]),
  ),
}

export async function startWorld(): Promise<World> {
  const directory = mkdtempSync(join(tmpdir(), 'atoll-world-'))
  const undo: (() => Promise<unknown>)[] = [async () => rmSync(directory, { recursive: true, force: true })]
  const close = async (): Promise<void> => {
    for (const step of undo.splice(0).reverse()) await step()
  }
  try {
    const main = await bundleController(directory)
    let edge: EdgeSite | undefined
    const startSite = async (code: string, home: RegionSite | undefined): Promise<RegionSite> => {
      const [oneWayMs, controllers] = [ONE_WAY_MS[code] ?? 0, home === undefined ? 2 : 1]
      const site = await startRegionSite({ code, main, oneWayMs, controllers, edgeUrl: () => edge?.url(), home })
      undo.push(site.close)
      return site
    }
    const [first, ...others] = PLACES.map(({ code }) => code)
    const home = await startSite(first ?? '', undefined)
    const regions = [home, ...(await Promise.all(others.map((code) => startSite(code, home))))]
    const started = await startEdgeSite({ registry: registryOf(regions, 1, []), tiers: TIERS })
    edge = started
    undo.push(started.close)
    const world = worldOf(started, regions, close)
    await makeTiers(world)
    return world
  } catch (err) {
    await close()
    throw err
  }
}

function worldOf(edge: EdgeSite, regions: RegionSite[], close: () => Promise<void>): World {
  const [home] = regions
  if (home === undefined) throw new Error('A world needs a home region.')
  return {
    edge,
    home,
    regions,
    region(code) {
      const found = regions.find((site) => site.code === code)
      if (found === undefined) throw new Error(`There is no region ${code}.`)
      return found
    },
    async addTenant(limit) {
      const made = await operate(home, 'POST', '/v1/admin/tenants', { name: 'chaos', tier: tierOf(limit) })
      const id = textAt(made, 'data', 'id')
      const answer = await operate(home, 'POST', `/v1/admin/tenants/${id}/keys`, { name: 'chaos', scopes: [...SCOPES] })
      const key = textAt(answer, 'data', 'key')
      await Promise.all(regions.map((site) => untilAnswer(site, key, 200)))
      return { id, key, keyId: textAt(answer, 'data', 'id'), limit, limitMax: limit }
    },
    async setLimit(tenant, limit) {
      tenant.limit = limit
      tenant.limitMax = Math.max(tenant.limitMax, limit)
      await operate(home, 'PATCH', `/v1/admin/tenants/${tenant.id}`, { tier: tierOf(limit) })
    },
    async revoke({ id, key, keyId }) {
      await operate(home, 'DELETE', `/v1/admin/tenants/${id}/keys/${keyId}`)
      await Promise.all(regions.map((site) => untilAnswer(site, key, 401)))
    },
    async fence(dead, { id }) {
      const url = regions.find((site) => site.code !== dead && site.url() !== undefined)?.url()
      await fetch(`${url ?? NOWHERE}/v1/admin/quota/fence`, {
        method: 'POST',
        headers: { authorization: `Bearer ${OPERATOR}`, 'content-type': 'application/json' },
        body: JSON.stringify({ region: dead, tenant: id }),
      }).catch(() => undefined)
    },
    async setDraining(codes) {
      const url = new URL(REGISTRY_PATH, edge.url() ?? NOWHERE)
      const headers = { authorization: `Bearer ${INTERNAL}`, 'content-type': 'application/json' }
      try {
        // As far as KV shows it: another change may be on its way, and is written over.
        const seen = (await (await fetch(url, { headers })).json()) as RegionRegistry
        const body = JSON.stringify(registryOf(regions, seen.version + 1, codes))
        return (await fetch(url, { method: 'PUT', headers, body })).status === 200
      } catch {
        return false
      }
    },
    close,
  }
}

async function makeTiers({ home, regions }: World): Promise<void> {
  for (const limit of TIER_LIMITS)
    await operate(home, 'PUT', `/v1/admin/tiers/${tierOf(limit)}`, TIERS[tierOf(limit)] ?? {})
  await until('every region to know the tiers', async () => {
    const known = await Promise.all(
      regions.map((site) => site.sql('select from tier where name = any($1)', [TIER_LIMITS.map(tierOf)])),
    )
    return known.every(({ length }) => length === TIER_LIMITS.length)
  })
}

/** Said again until it is heard: an operator's word is not given up because a controller was just killed. */
async function operate(home: RegionSite, method: string, path: string, body?: object): Promise<unknown> {
  let heard: { status: number; json: unknown } | undefined
  await until(
    `${method} ${path} to be done`,
    async () => {
      const url = home.url(Math.random)
      if (url === undefined) return false
      heard = await fetch(url + path, {
        method,
        headers: { authorization: `Bearer ${OPERATOR}`, 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(KNOWN_WITHIN_MS),
      })
        .then(async (response) => ({
          status: response.status,
          json: response.status === 204 ? {} : await response.json(),
        }))
        .catch(() => undefined)
      return heard !== undefined && heard.status < 500
    },
    KNOWN_WITHIN_MS,
  )
  // What was done by a try that was cut off is not there a second time.
  if (heard === undefined || (heard.status >= 300 && !(method === 'DELETE' && heard.status === 404)))
    throw new Error(`${method} ${path}: ${heard?.status} ${textAt(heard?.json, 'error', 'code')}`)
  return heard.json
}

const untilAnswer = (site: RegionSite, key: string, status: number): Promise<void> =>
  until(
    `${site.code} to answer ${status}`,
    async () => {
      const urls = site.controllers.flatMap(({ url }) => url ?? [])
      const heard = await Promise.all(
        urls.map((url) =>
          fetch(`${url}/v1/sandboxes`, { headers: { authorization: `Bearer ${key}` } })
            .then(async (response) => {
              await response.text()
              return response.status
            })
            .catch(() => 0),
        ),
      )
      return heard.length === site.controllers.length && heard.every((one) => one === status)
    },
    KNOWN_WITHIN_MS,
  )

const registryOf = (regions: readonly RegionSite[], version: number, draining: readonly string[]): RegionRegistry => ({
  version,
  default: 'usw1',
  regions: PLACES.flatMap((place) => {
    const url = regions.find(({ code }) => code === place.code)?.way.url
    if (url === undefined) return []
    const others = PLACES.map(({ code }) => code).filter((code) => code !== place.code)
    const status = draining.includes(place.code) ? ('draining' as const) : ('active' as const)
    return [{ ...place, name: `name-of-${place.code}`, status, url, directUrl: url, weight: 1, failover: others }]
  }),
})

export const codeOf = (json: unknown): string => {
  const code = at(json, 'error', 'code')
  return typeof code === 'string' ? code : ''
}
