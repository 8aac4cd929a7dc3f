/**
 * One history: a few tenants and their clients live while things break as drawn, then everything is mended, and what was said and done
 * is held against what must be so. The same seed draws the same faults and the same deeds; what meets what is up to the machine.
 */
import { drawsFrom } from '../../harness/draws.ts'
import type { Client } from './ask.ts'
import { openBook, type Told } from './book.ts'
import { startClients } from './clients.ts'
import { strikeAtRandom } from './faults.ts'
import { fillToLimit, refusedWhenRevoked, replayed } from './hold.ts'
import { commandsTwice, doubles, regionFaults, unreachable } from './in-the-end.ts'
import { settle } from './settle.ts'
import { untilNone } from './until-none.ts'
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
  const story: string[] = []
  const begun = performance.now()
  const mark = (phase: string): void => void story.push(`${Math.round(performance.now() - begun)} ms: ${phase}`)
  try {
    const crowd = clients.flatMap((client) =>
      Array.from({ length: CLIENTS_PER_TENANT }, () => ({ ...client, draw: drawsFrom(draw() * 2 ** 32) })),
    )
    const living = startClients(crowd)
    await strikeAtRandom({ world, tenants, draw }, DURATION_MS, mark).finally(living.stop)
    mark('everything is mended')
    await inTheEnd(world, clients, mark)
  } catch (err) {
    faults.push(String(err))
  } finally {
    await watch.stop()
  }
  faults.push(...clients.flatMap(({ book }) => book.faults))
  if (faults.length > 0)
    throw new Error([...new Set(faults), 'after', ...story, ...linesAbout(world, faults)].join('\n  '))
  return chronicleOf(clients, story, watch)
}

async function inTheEnd(world: World, clients: readonly Client[], mark: (phase: string) => void): Promise<void> {
  // Before anybody ends what nobody was told of: it must not take a client to undo what one key made twice.
  await untilNone(() => doubles(world))
  mark('no key has several sandboxes')
  const isKept = keeperOf(clients)
  await untilSettled(clients, isKept)
  mark('every client knows what it has')
  // What was on its way for long may come only now.
  await untilNone(async () => [...(await untilSettled(clients, isKept)), ...(await regionFaults(world, clients))])
  mark('the regions have that and nothing else')
  await Promise.all(
    clients.map(async (client) => {
      await untilNone(() => unreachable(client))
      mark(`what ${client.tenant.id} has is reached`)
      await fillToLimit(client)
      mark(`the limit of ${client.tenant.id} is used whole`)
      await replayed(client)
    }),
  )
  mark('keys keep their answers')
  await untilNone(async () => [...(await untilSettled(clients, () => false)), ...(await regionFaults(world, clients))])
  mark('nothing is left')
  for (const client of clients) {
    client.book.faults.push(...commandsTwice(world, client.book))
    await refusedWhenRevoked(client)
  }
}

/** As many as half of the limit are kept to the end. */
function keeperOf(clients: readonly Client[]): (told: Told) => boolean {
  const kept = new Set(
    clients.flatMap(({ book, tenant }) =>
      [...book.sandboxes.values()].filter(({ isEnding }) => !isEnding).slice(0, Math.floor(tenant.limit / 2)),
    ),
  )
  return (told) => kept.has(told)
}

async function untilSettled(clients: readonly Client[], isKept: (told: Told) => boolean): Promise<string[]> {
  await Promise.all(clients.map((client) => untilNone(() => settle(client, isKept))))
  return []
}

/** What controllers said in their logs about the sandboxes and keys that are named. */
function linesAbout({ regions }: World, faults: readonly string[]): string[] {
  const named = [...new Set(faults.join(' ').match(/\b(sbx_\w+|[kw]-[0-9a-f-]{36})/g))]
  return regions.flatMap(({ code, controllers }) =>
    controllers.flatMap(({ said }) =>
      said.filter((line) => named.some((name) => line.includes(name))).map((line) => `${code}: ${line}`),
    ),
  )
}

function chronicleOf(clients: readonly Client[], story: string[], { looks }: LimitWatch): Chronicle {
  const answers = new Map<string, number>()
  for (const { book } of clients)
    for (const [answer, count] of book.answers) answers.set(answer, (answers.get(answer) ?? 0) + count)
  return { story, answers, looks, sandboxes: clients.reduce((sum, { book }) => sum + book.sandboxes.size, 0) }
}
