/** Promises that clients hold to when everything is whole again: the limit is all theirs, a key keeps its answer, and one that is revoked is dead. */
import { at, until } from '../../integration/controller/support/region.ts'
import { type Client, regionOf } from './ask.ts'
import type { Road } from './book.ts'
import { newWish, sendWish } from './wishes.ts'

const WITHIN_MS = 60_000
const REPLAYS_MAX = 5

/** Nothing that broke has cost a slot for ever: all of the limit can be used, wherever it is asked for, and no more than that. */
export async function fillToLimit(client: Client): Promise<void> {
  const { world, tenant } = client
  const counted = async (): Promise<number> => {
    const rows = await Promise.all(
      world.regions.map((site) =>
        site.sql<{ counted: number }>(
          'select count(*)::int as counted from sandbox where tenant = $1 and is_counted(state)',
          [tenant.id],
        ),
      ),
    )
    return rows.flat().reduce((sum, row) => sum + row.counted, 0)
  }
  await until(
    `the limit of ${tenant.limit} to be used whole`,
    async () => {
      if ((await counted()) >= tenant.limit) return true
      await sendWish(client, newWish(client))
      return false
    },
    WITHIN_MS,
  )
  const roads: Road[] = [
    { kind: 'edge' },
    ...world.regions.map(({ code }) => ({ kind: 'direct' as const, region: code })),
  ]
  for (const road of roads)
    await until(
      `${road.kind} to refuse what is over the limit`,
      async () => {
        const wish = newWish(client, road)
        const told = await sendWish(client, wish)
        if (told !== undefined) client.book.faults.push(`${told.id} was made over the limit of ${tenant.limit}`)
        return told !== undefined || wish.lastCode === 'concurrency_limit'
      },
      WITHIN_MS,
    )
}

/** Also at the limit, and also when the sandbox has ended long ago. Another answer than the first is noted as a fault. */
export async function replayed(client: Client): Promise<void> {
  const wishes = client.book.wishes.filter(({ kind, key, id }) => kind === 'create' && key !== null && id !== null)
  for (const wish of wishes.slice(-REPLAYS_MAX))
    await until(
      `${wish.key} to be answered with ${wish.id} again`,
      async () => (await sendWish(client, wish)) !== undefined,
      WITHIN_MS,
    )
}

/** The regions know it. The edge may believe the key for as long as its KV lags, and that must not matter. */
export async function refusedWhenRevoked(client: Client): Promise<void> {
  const { world, tenant, book } = client
  await world.revoke(tenant)
  await until(
    'a revoked key to be refused through the edge',
    async () => {
      const response = await fetch(`${world.edge.url()}/v1/sandboxes`, {
        method: 'POST',
        headers: { authorization: `Bearer ${tenant.key}` },
        body: '{}',
      })
      const json: unknown = await response.json()
      const id = at(json, 'data', 'id')
      if (response.status === 201) book.faults.push(`${id} was made in ${regionOf(String(id))} with a revoked key`)
      return response.status === 401 || response.status === 201
    },
    WITHIN_MS,
  )
}
