/** One request of a client, over the edge from somewhere on earth or at a region's own address, and what it hears. */
import { setTimeout as sleep } from 'node:timers/promises'
import { at } from '../../integration/controller/support/region.ts'
import type { Book, Road, Told } from './book.ts'
import { codeOf, type Tenant, type World } from './world.ts'

export type Client = { world: World; book: Book; tenant: Tenant; draw: () => number }
export type Heard = { status: number; code: string; json: unknown }
export type Asking = {
  method: string
  path: string
  body?: object
  headers?: Record<string, string>
  /** How long the edge may take, as the client tells it. */
  timeoutMs?: number
  /** After which the client hangs up. */
  leavesAfterMs?: number
}

const ANSWER_MS = 20_000
const NOBODY_THERE_MS = 100
const WHEREABOUTS = [
  { continent: 'EU', latitude: '52.5', longitude: '13.4', country: 'DE', colo: 'FRA' },
  { continent: 'NA', latitude: '37.8', longitude: '-122.4', country: 'US', colo: 'SJC' },
  { continent: 'NA', latitude: '40.7', longitude: '-74.0', country: 'US', colo: 'EWR' },
  { continent: 'SA', latitude: '-23.5', longitude: '-46.6', country: 'BR', colo: 'GRU' },
]

/** No request of these clients is wrong, so none is refused as such; and no trouble of ours is nobody's fault. */
const NEVER: ReadonlySet<number> = new Set([400, 401, 403, 405, 413, 422, 500, 508])

export const pick = <T>({ draw }: Pick<Client, 'draw'>, from: readonly T[]): T => {
  const one = from[Math.floor(draw() * from.length)]
  if (one === undefined) throw new Error('There is nothing to pick from.')
  return one
}

/** Undefined when nothing was heard: the connection was refused or cut, or took too long. */
export async function ask(client: Client, road: Road, asking: Asking): Promise<Heard | undefined> {
  const { world, book, tenant, draw } = client
  const url = road.kind === 'edge' ? world.edge.url() : world.region(road.region).url(draw)
  const whereabouts = pick(client, WHEREABOUTS)
  if (url === undefined) {
    await sleep(NOBODY_THERE_MS)
    return undefined
  }
  const heard = await fetch(url + asking.path, {
    method: asking.method,
    headers: {
      authorization: `Bearer ${tenant.key}`,
      'mf-cf-blob': JSON.stringify(whereabouts),
      ...(asking.timeoutMs === undefined ? {} : { 'x-timeout-ms': String(asking.timeoutMs) }),
      ...asking.headers,
    },
    ...(asking.body === undefined ? {} : { body: JSON.stringify(asking.body) }),
    signal: AbortSignal.timeout(asking.leavesAfterMs ?? ANSWER_MS),
  })
    .then(async (response): Promise<Heard | undefined> => {
      const json = parsed(await response.text())
      return json === undefined ? undefined : { status: response.status, code: codeOf(json), json }
    })
    .catch(() => undefined)
  const words = heard === undefined ? 'nothing' : `${heard.status} ${heard.code}`.trim()
  book.note(words)
  if (heard !== undefined && NEVER.has(heard.status))
    book.faults.push(`${asking.method} ${asking.path} was answered ${words}: ${at(heard.json, 'error', 'message')}`)
  return heard
}

/** Whatever is done with a sandbox that somebody was told of: it is never called unknown before its end is asked for. */
export async function askOf(client: Client, told: Told, asking: Asking): Promise<Heard | undefined> {
  const heard = await ask(client, roadTo(client, told.id), asking)
  if (heard?.status === 404 && !told.isEnding)
    client.book.faults.push(`${told.id} was acknowledged, and ${asking.method} ${asking.path} does not find it`)
  return heard
}

export async function endSandbox(client: Client, told: Told): Promise<void> {
  told.isEnding = true
  const heard = await askOf(client, told, { method: 'DELETE', path: `/v1/sandboxes/${told.id}` })
  if (heard?.status === 204 || heard?.status === 404) told.hasEnded = true
}

const roadTo = ({ draw }: Client, id: string): Road =>
  draw() < 0.7 ? { kind: 'edge' } : { kind: 'direct', region: regionOf(id) }

export const regionOf = (id: string): string => id.split('_')[1] ?? ''

/** What workerd or a gateway says in place of an answer is no word of anybody's. */
function parsed(text: string): unknown {
  try {
    return text === '' ? {} : JSON.parse(text)
  } catch {
    return undefined
  }
}
