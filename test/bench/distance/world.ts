/**
 * A client in Europe, an edge in its city, a region in Europe and one in America, with the ocean simulated between them.
 *
 *                            .---- 6 ms ---- eu1, its host beside it
 *   client -- 4 ms -- edge --|
 *     |  |                   '---- 70 ms --- usw1, its host beside it
 *     |  '------- 8 ms ------------------- eu1
 *     '--------- 72 ms ------------------- usw1
 *
 * and, for comparison, a control plane at home in America that drives a host in Europe: edge -- 70 ms -- hub1 -- 70 ms -- host.
 * One way each, with a tenth of it as jitter. The controllers are real, their hosts have no machines.
 */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import type { ListenOptions, NetConnectOpts } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startLocalEdge } from '../../../infra/edge/local-edge.ts'
import { hashKey } from '../../../origin/controller/accounts/secrets.ts'
import { type Seed, seedAccounts } from '../../../origin/controller/accounts/seed.ts'
import { DEFAULT_TIERS } from '../../../shared/accounts.ts'
import { newApiKey } from '../../../shared/ids.ts'
import type { Region, RegionRegistry } from '../../../shared/regions.ts'
import { startDelayedLink } from '../../harness/delayed-link.ts'
import { embedded } from '../../integration/controller/support/databases.ts'
import { type HostDouble, startHostDouble } from '../../integration/controller/support/host-double.ts'
import { PEPPER, startRegion, type TestRegion } from '../../integration/controller/support/region.ts'
import { aKeyRecord, hashOf, PUBLIC_KEY, registryOf, SECRETS } from '../../integration/edge/stage/edge-stage.ts'

export const ONE_WAY_MS = {
  'client to edge': 4,
  'edge to eu1': 6,
  'edge to usw1': 70,
  'edge to hub1': 70,
  'hub1 to its host': 70,
  'client to eu1': 8,
  'client to usw1': 72,
} as const
type Leg = keyof typeof ONE_WAY_MS

export type World = { urls: Record<'edge' | 'eu1' | 'usw1', string>; key: string; end(): Promise<void> }
type Undo = (() => Promise<unknown>)[]

const JWKS = JSON.stringify({ keys: [{ ...PUBLIC_KEY.export({ format: 'jwk' }), kid: 'test-1' }] })
/** Steering never picks it by itself. */
const WEIGHT_OF_NONE = 0.001

export async function makeWorld(): Promise<World> {
  const undo: Undo = []
  const end = async (): Promise<void> => {
    for (const one of undo.splice(0).reverse()) await one()
  }
  try {
    return { ...(await build(undo)), end }
  } catch (error) {
    await end()
    throw error
  }
}

async function build(undo: Undo): Promise<Omit<World, 'end'>> {
  const folder = await mkdtemp(join(tmpdir(), 'atoll-distance-'))
  undo.push(() => rm(folder, { recursive: true, force: true }))
  const far = await startHostDouble('h1')
  const socketPath = join(folder, 'host.sock')
  await lay('hub1 to its host', { path: far.socketPath }, undo, { path: socketPath })

  const server = await embedded.open()
  undo.push(() => server.remove())
  const start = async (code: string, host: HostDouble): Promise<TestRegion> => {
    const env = { ATOLL_EDGE_JWKS: JWKS }
    const region = await startRegion(await server.createDatabase(), { code, hosts: [host], env })
    undo.push(() => region.close())
    return region
  }
  const eu1 = await start('eu1', await startHostDouble('h1'))
  const usw1 = await start('usw1', await startHostDouble('h1'))
  const hub1 = await start('hub1', { ...far, socketPath })
  const key = newApiKey('test', randomBytes(32))
  for (const region of [eu1, usw1, hub1]) await seedAccounts(region.running.controller.database.db, seedOf(key))

  const way = async (leg: Leg, { url }: { url: string | URL }) => ({ url: await layTo(leg, url, undo) })
  const edge = await startLocalEdge({
    host: '127.0.0.1',
    port: 0,
    secrets: SECRETS,
    registry: withHub(
      registryOf(await way('edge to usw1', usw1), await way('edge to eu1', eu1)),
      await layTo('edge to hub1', hub1.url, undo),
    ),
    tiers: DEFAULT_TIERS,
    keys: { [hashOf(key)]: aKeyRecord() },
  })
  undo.push(() => edge.stop())
  const urls = {
    edge: await layTo('client to edge', edge.url, undo),
    eu1: await layTo('client to eu1', eu1.url, undo),
    usw1: await layTo('client to usw1', usw1.url, undo),
  }
  return { urls, key }
}

async function layTo(leg: Leg, url: string | URL, undo: Undo): Promise<string> {
  const { hostname, port } = new URL(url)
  const link = await lay(leg, { host: hostname, port: Number(port) }, undo)
  return `http://127.0.0.1:${link.port}`
}

async function lay(leg: Leg, to: NetConnectOpts, undo: Undo, from: ListenOptions = { host: '127.0.0.1', port: 0 }) {
  const oneWayMs = ONE_WAY_MS[leg]
  const link = await startDelayedLink(from, to, { oneWayMs, jitterMs: oneWayMs / 10 })
  undo.push(() => link.close())
  return link
}

const seedOf = (key: string): Seed => {
  const { tenant, ...record } = aKeyRecord()
  return {
    tenants: [{ id: tenant, name: tenant, tier: record.tier }],
    keys: [{ hash: hashKey(PEPPER, key), tenant, ...record }],
  }
}

function withHub({ regions, ...rest }: RegionRegistry, url: string): RegionRegistry {
  const [first] = regions
  if (first === undefined) throw new RangeError('The registry has no region.')
  const hub: Region = {
    ...first,
    code: 'hub1',
    name: 'hub',
    url,
    directUrl: url,
    weight: WEIGHT_OF_NONE,
    continents: [],
  }
  return { ...rest, regions: [...regions, hub] }
}
