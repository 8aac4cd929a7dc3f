/**
 * One history: a few tenants and their clients live while things break as drawn, then everything is mended, and what was said and done
 * is held against what must be so. The same seed draws the same faults and the same deeds; what meets what is up to the machine.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { drawsFrom } from '../../harness/draws.ts'
import type { Client } from './ask.ts'
import { openBook } from './book.ts'
import { startClients } from './clients.ts'
import { strikeAtRandom } from './faults.ts'
import { fillToLimit, refusedWhenRevoked, replayed } from './hold.ts'
import { commandsTwice, doubles, regionFaults, unreachable } from './in-the-end.ts'
import { settle } from './settle.ts'
import { type LimitWatch, watchLimits } from './watch-limits.ts'
import { TIER_LIMITS, type World } from './world.ts'

export type Chronicle = {
  /** What went wrong, and when. */
  story: string[]
  answers: Map<string, number>
  sandboxes: number
  looks: number
}

const TENANTS = 2
const CLIENTS_PER_TENANT = 3
const DURATION_MS = 4_000
const LAGS_MS = [0, 30_000, 60_000, 120_000]
/** Breakers stay shut for long after a bad time, and debts are tried again more and more seldom. */
const IN_THE_END_MS = 60_000
const LOOK_AGAIN_MS = 100

/** Throws with every fault that was found, and with what had gone wrong before. */
export async function live(world: World, seed: number): Promise<Chronicle> {
  const draw = drawsFrom(seed)
  const tenants = await Promise.all(
    Array.from({ length: TENANTS }, () => world.addTenant(TIER_LIMITS[Math.floor(draw() * TIER_LIMITS.length)] ?? 1)),
  )
  const faults: string[] = []
  const clients = tenants.map(
    (tenant): Client => ({ world, tenant, draw: drawsFrom(draw() * 2 ** 32), book: openBook() }),
  )
  await world.edge.setKv({ lagMs: LAGS_MS[Math.floor(draw() * LAGS_MS.length)] ?? 0 })
  const watch = watchLimits(world.regions, tenants, (fault) => void faults.push(fault))
  let story: string[] = []
  try {
    const crowd = clients.flatMap((client) =>
      Array.from({ length: CLIENTS_PER_TENANT }, () => ({ ...client, draw: drawsFrom(draw() * 2 ** 32) })),
    )
    const living = startClients(crowd)
    story = await strikeAtRandom({ world, tenants, draw }, DURATION_MS).over
    await living.stop()
    await inTheEnd(world, clients)
  } catch (err) {
    faults.push(String(err))
  } finally {
    await watch.stop()
  }
  faults.push(...clients.flatMap(({ book }) => book.faults))
  if (faults.length > 0) throw new Error([...new Set(faults), 'after', ...story].join('\n  '))
  return chronicleOf(clients, story, watch)
}

async function inTheEnd(world: World, clients: readonly Client[]): Promise<void> {
  // Before anybody ends what nobody was told of: it must not take a client to undo what one key made twice.
  await untilNone(() => doubles(world))
  await Promise.all(
    clients.map((client) => {
      const living = [...client.book.sandboxes.values()].filter(({ isEnding }) => !isEnding)
      const kept = new Set(living.slice(0, Math.floor(client.tenant.limit / 2)))
      return settle(client, (told) => kept.has(told))
    }),
  )
  await untilNone(() => regionFaults(world, clients))
  for (const client of clients) {
    await untilNone(() => unreachable(client))
    await fillToLimit(client)
    await replayed(client)
    await settle(client, () => false)
  }
  await untilNone(() => regionFaults(world, clients))
  for (const client of clients) {
    client.book.faults.push(...commandsTwice(world, client.book))
    await refusedWhenRevoked(client)
  }
}

/** Throws with the faults that are left after a generous while. */
async function untilNone(look: () => Promise<string[]>): Promise<void> {
  const end = Date.now() + IN_THE_END_MS
  for (let left = await look(); left.length > 0; left = await look()) {
    if (Date.now() > end) throw new Error(`still after ${IN_THE_END_MS} ms: ${left.join('; ')}`)
    await sleep(LOOK_AGAIN_MS)
  }
}

function chronicleOf(clients: readonly Client[], story: string[], { looks }: LimitWatch): Chronicle {
  const answers = new Map<string, number>()
  for (const { book } of clients)
    for (const [answer, count] of book.answers) answers.set(answer, (answers.get(answer) ?? 0) + count)
  return { story, answers, looks, sandboxes: clients.reduce((sum, { book }) => sum + book.sandboxes.size, 0) }
}
