/**
 * Clients of a region whose controllers are killed all the time. Each asks whichever controller answers, and what had no clear answer
 * is settled at the end, as a client does: a create under its Idempotency-Key until it has a sandbox, a destroy until it is certain.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { textAt } from '../../integration/controller/support/region.ts'
import type { SpawnedController } from '../../integration/controller/support/spawn-controller.ts'

export type Clients = {
  /** Lifecycles begun so far. */
  begun: number
  /** Requests that were cut off by a kill. */
  cut: number
  /** Sandboxes that were acknowledged, and were not asked to end. */
  alive: Set<string>
  /** Lets every client finish what it is at, and settles what is open. */
  settle(): Promise<void>
}
type Answer = { status: number; id: string }

const ANSWER_MS = 12_000
const SETTLE_MS = 120_000
const PAUSE_MS = 40

export function startClients(
  controllers: SpawnedController[],
  { key, count, draw }: { key: string; count: number; draw: () => number },
): Clients {
  const openCreates: string[] = []
  const openDestroys: string[] = []
  let isOver = false

  const anyUrl = async (): Promise<string> => {
    for (;;) {
      const urls = controllers.flatMap(({ url }) => url ?? [])
      const url = urls[Math.floor(draw() * urls.length)]
      if (url !== undefined) return url
      await sleep(PAUSE_MS)
    }
  }
  /** Undefined when the connection was cut. */
  const ask = async (
    method: string,
    path: string,
    headers: Record<string, string> = {},
  ): Promise<Answer | undefined> => {
    const url = await anyUrl()
    try {
      const response = await fetch(url + path, {
        method,
        headers: { authorization: `Bearer ${key}`, ...headers },
        ...(method === 'POST' ? { body: '{}' } : {}),
        signal: AbortSignal.timeout(ANSWER_MS),
      })
      const text = await response.text()
      return { status: response.status, id: text === '' ? '' : textAt(JSON.parse(text), 'data', 'id') }
    } catch {
      clients.cut += 1
      return undefined
    }
  }
  const create = (idempotencyKey: string) => ask('POST', '/v1/sandboxes', { 'idempotency-key': idempotencyKey })
  const isGone = (answer: Answer | undefined): boolean => answer?.status === 204 || answer?.status === 404

  const live = async (): Promise<void> => {
    const idempotencyKey = randomUUID()
    clients.begun += 1
    const made = await create(idempotencyKey)
    if (made?.status !== 201) return void openCreates.push(idempotencyKey)
    clients.alive.add(made.id)
    const path = `/v1/sandboxes/${made.id}`
    if (draw() < 0.3) await ask('POST', `${path}/pause`)
    if (draw() < 0.3) await ask('POST', `${path}/resume`)
    if (draw() < 0.2) return
    clients.alive.delete(made.id)
    if (!isGone(await ask('DELETE', path))) openDestroys.push(path)
  }
  const client = async (): Promise<void> => {
    while (!isOver) await live()
  }
  const clients: Clients = {
    begun: 0,
    cut: 0,
    alive: new Set(),
    async settle() {
      isOver = true
      await Promise.all(working)
      await eachUntil(openCreates, async (idempotencyKey) => {
        const made = await create(idempotencyKey)
        if (made?.status === 201) clients.alive.add(made.id)
        return made?.status === 201
      })
      await eachUntil(openDestroys, async (path) => isGone(await ask('DELETE', path)))
    },
  }
  const working = Array.from({ length: count }, client)
  return clients
}

/** A few at a time, each again and again. Fails when one does not come about. */
async function eachUntil(open: string[], isDone: (one: string) => Promise<boolean>): Promise<void> {
  const end = Date.now() + SETTLE_MS
  const worker = async (): Promise<void> => {
    for (let one = open.pop(); one !== undefined; one = open.pop())
      while (!(await isDone(one))) {
        if (Date.now() > end) throw new Error(`Not settled within ${SETTLE_MS} ms: ${one}`)
        await sleep(PAUSE_MS)
      }
  }
  await Promise.all(Array.from({ length: 8 }, worker))
}
