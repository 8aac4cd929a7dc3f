/** A create and a read by every way through the world, in turn, over connections that are kept. */
import { Pool } from 'undici'
import { CALIFORNIA, EUROPE } from '../../integration/edge/stage/edge-stage.ts'
import { type Quantiles, quantilesOf } from '../quantiles.ts'
import { ONE_WAY_MS, type World } from './world.ts'

export type WayName = keyof typeof WAYS
export type Way = {
  name: WayName
  /** There and back over every link that a create has to cross, without jitter. */
  distanceMs: number
  create: Quantiles
  get: Quantiles
}
/** How often which region got a create that named none, by where the client says it is. */
export type Steered = Record<'Europe' | 'California', Record<string, number>>

const round = (...legs: (keyof typeof ONE_WAY_MS)[]): number => 2 * legs.reduce((sum, leg) => sum + ONE_WAY_MS[leg], 0)
const inEurope = { 'mf-cf-blob': JSON.stringify(EUROPE) }

const WAYS = {
  'near region, directly': { door: 'eu1', headers: {}, distanceMs: round('client to eu1') },
  'near region, chosen by the edge': {
    door: 'edge',
    headers: inEurope,
    distanceMs: round('client to edge', 'edge to eu1'),
  },
  'far region, directly': { door: 'usw1', headers: {}, distanceMs: round('client to usw1') },
  'far region, by the edge': {
    door: 'edge',
    headers: { ...inEurope, 'x-region': 'usw1' },
    distanceMs: round('client to edge', 'edge to usw1'),
  },
  'control plane at home, host near': {
    door: 'edge',
    headers: { ...inEurope, 'x-region': 'hub1' },
    distanceMs: round('client to edge', 'edge to hub1', 'hub1 to its host'),
  },
} as const satisfies Record<string, { door: keyof World['urls']; headers: Record<string, string>; distanceMs: number }>
const WARM_UP = 3
const STEERED = 20

export async function measureWays({ urls, key }: World, samples: number): Promise<Way[]> {
  const ways = (Object.keys(WAYS) as WayName[]).map((name) => ({
    name,
    pool: new Pool(urls[WAYS[name].door], { connections: 1 }),
    create: [] as number[],
    get: [] as number[],
  }))
  for (let n = 0; n < samples + WARM_UP; n++)
    for (const { name, pool, create, get } of ways) {
      const made = await ask(pool, key, 'POST', '/v1/sandboxes', WAYS[name].headers)
      const read = await ask(pool, key, 'GET', `/v1/sandboxes/${made.id}`, {})
      await ask(pool, key, 'DELETE', `/v1/sandboxes/${made.id}`, {})
      if (n < WARM_UP) continue
      create.push(made.ms)
      get.push(read.ms)
    }
  await Promise.all(ways.map(({ pool }) => pool.close()))
  return ways.map(({ name, create, get }) => ({
    name,
    distanceMs: WAYS[name].distanceMs,
    create: quantilesOf(create),
    get: quantilesOf(get),
  }))
}

export async function countSteered({ urls, key }: World): Promise<Steered> {
  const pool = new Pool(urls.edge, { connections: 1 })
  const landed: Steered = { Europe: {}, California: {} }
  for (const [where, cf] of [['Europe', EUROPE] as const, ['California', CALIFORNIA] as const])
    for (let n = 0; n < STEERED; n++) {
      const { id } = await ask(pool, key, 'POST', '/v1/sandboxes', { 'mf-cf-blob': JSON.stringify(cf) })
      const region = id.split('_')[1] ?? ''
      landed[where][region] = (landed[where][region] ?? 0) + 1
      await ask(pool, key, 'DELETE', `/v1/sandboxes/${id}`, {})
    }
  await pool.close()
  return landed
}

async function ask(pool: Pool, key: string, method: 'POST' | 'GET' | 'DELETE', path: string, more: object) {
  const began = performance.now()
  const answer = await pool.request({
    method,
    path,
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...more },
    ...(method === 'POST' ? { body: '{}' } : {}),
  })
  const text = await answer.body.text()
  const ms = performance.now() - began
  if (answer.statusCode >= 300) throw new Error(`${method} ${path} was answered with ${answer.statusCode}: ${text}`)
  const { data } = (text === '' ? {} : JSON.parse(text)) as { data?: { id: string } }
  return { ms, id: data?.id ?? '' }
}
