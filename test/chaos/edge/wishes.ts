/** How a client asks for a sandbox: once, twice at the same time, again after no clear word, as the documentation of the API tells it to. */
import { randomUUID } from 'node:crypto'
import { at } from '../../integration/controller/support/region.ts'
import { type Asking, ask, type Client, type Heard, pick } from './ask.ts'
import type { Road, Told, Wish } from './book.ts'

const CREATED = 201
/** How many of the clients name a region. */
const PINNED = 0.25
const HURRY_MS = 400
const PATIENCE_MS = 5_000
const LEAVES_MS_MAX = 120

const anyRoad = (client: Client): Road =>
  client.draw() < 0.75 ? { kind: 'edge' } : { kind: 'direct', region: pick(client, client.world.regions).code }

export function newWish(client: Client, road: Road = anyRoad(client)): Wish {
  const { draw, book } = client
  const wish: Wish = {
    tag: `w-${randomUUID()}`,
    kind: draw() < 0.25 ? 'run' : 'create',
    road,
    key: draw() < 0.8 ? `k-${randomUUID()}` : null,
    pin: draw() < PINNED ? pick(client, client.world.regions).code : null,
    id: null,
    mayExist: false,
    lastCode: '',
    wasAskedAtLast: false,
  }
  book.wishes.push(wish)
  return wish
}

/** The sandbox, or undefined when there is none that the client knows of. */
export async function sendWish(client: Client, wish: Wish): Promise<Told | undefined> {
  const headers = {
    ...(wish.key === null ? {} : { 'idempotency-key': wish.key }),
    ...(wish.pin === null || wish.road.kind === 'direct' ? {} : { 'x-region': wish.pin }),
  }
  const asking: Asking = {
    method: 'POST',
    path: wish.kind === 'run' ? '/v1/sandboxes/run' : '/v1/sandboxes',
    headers,
    body: { tags: [wish.tag], ...(wish.kind === 'run' ? { command: `echo ${wish.tag}` } : {}) },
    ...patienceOf(client),
  }
  const heard = await ask(client, wish.road, asking)
  const id = heard?.status === CREATED ? at(heard.json, 'data', 'id') : undefined
  if (typeof id === 'string') return client.book.tell(wish, id)
  wish.lastCode = heard?.code ?? ''
  // Who wanted that region goes on to any.
  if (heard?.code === 'region_unavailable') wish.pin = null
  if (heard === undefined || heard.status >= 500) wish.mayExist = true
  adoptKey(wish, heard)
  return undefined
}

/** One key at two places at the same time, as when a client's own retry overtakes it. */
export async function sendTwice(client: Client, wish: Wish): Promise<Told | undefined> {
  const told = await Promise.all([sendWish(client, wish), sendWish(client, wish)])
  return told.find((one) => one !== undefined)
}

/** Who sent no key is told of one with which it can be asked what became of the create. */
function adoptKey(wish: Wish, heard: Heard | undefined): void {
  const key = at(heard?.json, 'error', 'details', 'idempotency_key')
  if (wish.key === null && typeof key === 'string') wish.key = key
}

/** Some clients give up sooner than a create takes, and some just leave. */
function patienceOf({ draw }: Client): Pick<Asking, 'timeoutMs' | 'leavesAfterMs'> {
  if (draw() < 0.1) return { leavesAfterMs: Math.ceil(draw() * LEAVES_MS_MAX) }
  return { timeoutMs: draw() < 0.2 ? HURRY_MS : PATIENCE_MS }
}
