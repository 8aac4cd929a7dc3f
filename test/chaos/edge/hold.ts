/** Promises that clients hold to when everything is whole again: the limit is all theirs, a key keeps its answer, and one that is revoked is dead. */
import { at } from '../../integration/controller/support/region.ts'
import type { Client } from './ask.ts'
import type { Road } from './book.ts'
import { untilNone } from './until-none.ts'
import { newWish, sendWish } from './wishes.ts'
import { codeOf } from './world.ts'

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
  await untilNone(async () => {
    if ((await counted()) >= tenant.limit) return []
    const wish = newWish(client)
    await sendWish(client, wish)
    return [`not all of the limit of ${tenant.limit} is used: ${wish.lastCode}`]
  })
  const roads: Road[] = [
    { kind: 'edge' },
    ...world.regions.map(({ code }) => ({ kind: 'direct' as const, region: code })),
  ]
  for (const road of roads)
    await untilNone(async () => {
      const wish = newWish(client, road)
      const told = await sendWish(client, wish)
      if (told !== undefined) throw new Error(`${told.id} was made over the limit of ${tenant.limit}`)
      return wish.lastCode === 'concurrency_limit' ? [] : [`what is over the limit is answered with ${wish.lastCode}`]
    })
}

/** Also at the limit, and also when the sandbox has ended long ago. Another answer than the first is noted as a fault. */
export async function replayed(client: Client): Promise<void> {
  const wishes = client.book.wishes.filter(({ kind, key, id }) => kind === 'create' && key !== null && id !== null)
  for (const wish of wishes.slice(-REPLAYS_MAX))
    await untilNone(async () => {
      const told = await sendWish(client, wish)
      return told === undefined ? [`${wish.key}, which made ${wish.id}, is answered with ${wish.lastCode}`] : []
    })
}

/** The regions know it. The edge may believe the key for as long as its KV lags, and that must not matter. */
export async function refusedWhenRevoked(client: Client): Promise<void> {
  const { world, tenant } = client
  await world.revoke(tenant)
  await untilNone(async () => {
    const response = await fetch(`${world.edge.url()}/v1/sandboxes`, {
      method: 'POST',
      headers: { authorization: `Bearer ${tenant.key}` },
      body: '{}',
    })
    const json: unknown = await response.json()
    if (response.status === 201) throw new Error(`${at(json, 'data', 'id')} was made with a revoked key`)
    return response.status === 401 ? [] : [`a revoked key is answered with ${response.status} ${codeOf(json)}`]
  })
}
