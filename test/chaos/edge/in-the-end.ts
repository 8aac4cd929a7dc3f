/** What must be so when everything is whole again, and what of it is not: a sentence for each fault. */
import { auditRegion } from '../../integration/controller/support/audit-region.ts'
import { ask, type Client, regionOf } from './ask.ts'
import type { Book } from './book.ts'
import type { RegionSite } from './region-site.ts'
import { lookAt } from './watch-limits.ts'
import type { World } from './world.ts'

type Row = { id: string; state: string; tag: string | null }

const rowsOf = (site: RegionSite): Promise<Row[]> =>
  site.sql<Row>(`select id, state, tags[1] as tag from sandbox where state not in ('destroyed', 'error')`)

/** One key, or one request without a key, has one sandbox at most, wherever its tries came to. */
export async function doubles({ regions }: World): Promise<string[]> {
  const rows = (await Promise.all(regions.map(rowsOf))).flat()
  const byTag = Map.groupBy(rows, ({ tag }) => tag)
  return [...byTag].flatMap(([tag, same]) =>
    same.length < 2
      ? []
      : [`${tag} has several sandboxes: ${same.map(({ id, state }) => `${id} ${state}`).join(', ')}`],
  )
}

/** Of the regions: rows and machines are those that somebody was told of and has not ended, limits and meters agree with them. */
export async function regionFaults(world: World, clients: readonly Client[]): Promise<string[]> {
  const kept = new Map(clients.flatMap(({ book }) => [...book.sandboxes].filter(([, { isEnding }]) => !isEnding)))
  const perRegion = await Promise.all(
    world.regions.map(async (site) => {
      const rows = await rowsOf(site)
      const machines = [...site.host.vms.keys()]
      const ids = new Set(rows.map(({ id }) => id))
      const here = [...kept.keys()].filter((id) => regionOf(id) === site.code)
      return [
        ...rows
          .filter(({ id }) => !kept.has(id))
          .map(({ id, state, tag }) => `${id} is ${state}, and nobody has it: ${wordsOf(clients, tag)}`),
        ...rows
          .filter(({ state }) => state !== 'running' && state !== 'paused')
          .map(({ id, state }) => `${id} is still ${state}`),
        ...here.filter((id) => !ids.has(id)).map((id) => `${id} was acknowledged, and has no row`),
        ...here.filter((id) => !machines.includes(id)).map((id) => `${id} was acknowledged, and has no machine`),
        ...machines.filter((id) => !ids.has(id)).map((id) => `${id} has a machine, and no row`),
        ...(await auditRegion(site.sql)),
      ]
    }),
  )
  const tenants = clients.map(({ tenant }) => tenant)
  return [...perRegion.flat(), ...(await lookAt(world.regions, tenants)), ...(await doubles(world))]
}

const wordsOf = (clients: readonly Client[], tag: string | null): string =>
  JSON.stringify(clients.flatMap(({ book }) => book.wishes).find((wish) => wish.tag === tag) ?? tag)

/** Whoever was told of a sandbox reaches it by its id, at the edge and at its region, and finds it in the list. */
export async function unreachable(client: Client): Promise<string[]> {
  const kept = [...client.book.sandboxes.values()].filter(({ isEnding }) => !isEnding)
  const faults: string[] = []
  for (const { id } of kept)
    for (const road of [{ kind: 'edge' }, { kind: 'direct', region: regionOf(id) }] as const) {
      const heard = await ask(client, road, { method: 'GET', path: `/v1/sandboxes/${id}` })
      if (heard?.status !== 200) faults.push(`${id} is not reached by ${road.kind}: ${heard?.status} ${heard?.code}`)
    }
  const list = await ask(client, { kind: 'edge' }, { method: 'GET', path: '/v1/sandboxes' })
  const listed = JSON.stringify(list?.json ?? '')
  return [...faults, ...kept.filter(({ id }) => !listed.includes(id)).map(({ id }) => `${id} is not in the list`)]
}

/** A command that a request was to run has run once at most, however often it was sent. */
export function commandsTwice({ regions }: World, { wishes }: Book): string[] {
  const commands = regions.flatMap(({ host }) => host.commands)
  return wishes
    .filter(({ kind, tag }) => kind === 'run' && commands.filter((line) => line.endsWith(`echo ${tag}`)).length > 1)
    .map(({ tag }) => `The command of ${tag} has run more than once`)
}
