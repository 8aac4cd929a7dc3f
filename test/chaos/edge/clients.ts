/** The clients of one tenant: each makes sandboxes, uses them and ends them, while everything around it breaks. */
import { setTimeout as sleep } from 'node:timers/promises'
import { ask, askOf, type Client, endSandbox, pick } from './ask.ts'
import type { Told } from './book.ts'
import { newWish, sendTwice, sendWish } from './wishes.ts'

export type Clients = {
  /** Resolves when every client has finished what it was at. */
  stop(): Promise<void>
}

const TRIES_MAX = 4
const PAUSE_MS_MAX = 120
/** Of one client; together they are more than any limit here. */
const HELD_MAX = 4

export function startClients(clients: readonly Client[]): Clients {
  let isOver = false
  const live = async (client: Client): Promise<void> => {
    const held: Told[] = []
    while (!isOver) {
      await doSomething(client, held)
      await sleep(client.draw() * PAUSE_MS_MAX)
    }
  }
  const living = clients.map(live)
  return {
    async stop() {
      isOver = true
      await Promise.all(living)
    },
  }
}

type Deed = (client: Client, told: Told) => Promise<unknown>

const post =
  (verb: string, body: object = {}): Deed =>
  (client, told) =>
    askOf(client, told, { method: 'POST', path: `/v1/sandboxes/${told.id}/${verb}`, body })

const look: Deed = (client, told) => askOf(client, told, { method: 'GET', path: `/v1/sandboxes/${told.id}` })

const DEEDS: Deed[] = [look, look, post('exec', { command: 'echo there' }), post('pause'), post('resume')]

async function doSomething(client: Client, held: Told[]): Promise<void> {
  const { draw } = client
  const mayMake = held.length < HELD_MAX
  const wanted = draw()
  if (mayMake && (held.length === 0 || wanted < 0.45)) return make(client, held)
  if (!mayMake || wanted < 0.7) return end(client, held)
  if (wanted < 0.75) return void (await ask(client, { kind: 'edge' }, { method: 'GET', path: '/v1/sandboxes' }))
  await pick(client, DEEDS)(client, pick(client, held))
}

async function make(client: Client, held: Told[]): Promise<void> {
  const { draw } = client
  const wish = newWish(client)
  let told = wish.key !== null && draw() < 0.2 ? await sendTwice(client, wish) : await sendWish(client, wish)
  const tries = draw() * TRIES_MAX
  for (let n = 1; told === undefined && wish.key !== null && n < tries; n++) {
    await sleep(draw() * PAUSE_MS_MAX * n)
    told = await sendWish(client, wish)
  }
  if (told !== undefined) held.push(told)
}

async function end(client: Client, held: Told[]): Promise<void> {
  const [told] = held.splice(Math.floor(client.draw() * held.length), 1)
  if (told !== undefined) await endSandbox(client, told)
}
