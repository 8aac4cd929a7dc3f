/** Whoever follows events hears of each exactly once and in order, however often it comes back, and of nobody else's. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createEventIds } from '../../../../origin/controller/events/event-ids.ts'
import { forgetOldEvents } from '../../../../origin/controller/events/forget-events.ts'
import type { RunningController } from '../../../../origin/controller/start.ts'
import { LIMITS } from '../../../../shared/limits.ts'
import { type Account, at, PEPPER, type TestRegion, textAt, until } from '../support/region.ts'
import { type Frame, readSse, type SseReader } from '../support/sse.ts'

const EVERYTHING = '/v1/events/stream'
const WRITING_MS = 2_000

export function eventPromises(regionOf: () => TestRegion): void {
  let second: RunningController | undefined
  const joined: RunningController[] = []
  const readers: SseReader[] = []
  before(async () => {
    second = await regionOf().join()
    joined.push(second)
  })
  after(async () => {
    for (const reader of readers) reader.close()
    for (const one of joined) await one.stop()
  })

  const follow = async (
    key: string,
    path: string = EVERYTHING,
    headers: Record<string, string> = {},
    url: string = regionOf().url,
  ): Promise<SseReader> => {
    const reader = await readSse(url + path, { authorization: `Bearer ${key}`, ...headers })
    readers.push(reader)
    return reader
  }
  const make = async (key: string, body: object = {}): Promise<string> => {
    const made = await regionOf().ask('/v1/sandboxes', { method: 'POST', key, body })
    assert.equal(made.status, 201, made.text)
    return textAt(made.json, 'data', 'id')
  }
  const end = (key: string, id: string) => regionOf().ask(`/v1/sandboxes/${id}`, { method: 'DELETE', key })
  const types = (frames: Frame[]): string[] => frames.map(({ event }) => event)
  const refusalOf = async (key: string, path: string, headers: Record<string, string> = {}): Promise<unknown[]> => {
    const answer = await regionOf().ask(path, { key, headers })
    return [answer.status, at(answer.json, 'error', 'code')]
  }
  /** Events of a tenant's as rows, without the sandboxes. */
  const write = (tenant: string, count: number, sandbox: string = 'sbx_rows'): Promise<unknown> =>
    regionOf().sql(
      `insert into event (sandbox, tenant, type, data, ts)
       select $3, $1, 'sandbox.running', jsonb_build_object('n', n), now() from generate_series(1, $2::integer) n`,
      [tenant, count, sandbox],
    )

  test('a stream begins now, and going on from its last id tells exactly what came after', async () => {
    const { key } = await regionOf().newKey()
    await make(key)
    const first = await follow(key)
    assert.equal(first.headers.get('content-type'), 'text/event-stream')
    const id = await make(key)
    const [created, running] = await first.take(2)
    assert.deepEqual([created?.event, running?.event], ['sandbox.created', 'sandbox.running'])
    assert.deepEqual(
      [created?.data.type, created?.data.sandbox_id, created?.data.region, typeof created?.data.ts],
      ['sandbox.created', id, 'usw1', 'string'],
    )
    first.close()
    await end(key, id)
    const other = await make(key)
    for (const headers of [{ 'last-event-id': created?.id ?? '' }, {}] as Record<string, string>[]) {
      const path = 'last-event-id' in headers ? EVERYTHING : `/api${EVERYTHING}?last_event_id=${created?.id}`
      const again = await follow(key, path, headers)
      const frames = await again.take(4)
      assert.deepEqual(types(frames), ['sandbox.running', 'sandbox.destroyed', 'sandbox.created', 'sandbox.running'])
      assert.deepEqual([frames[0]?.id, frames[2]?.data.sandbox_id], [running?.id, other])
    }
  })

  // Without it a client that is cut off before its first event would have no place to go on from.
  test('a stream on which nothing has happened yet can be gone on with, too', async () => {
    const { key } = await regionOf().newKey()
    await make(key)
    const quiet = await follow(key)
    await until('a place', () => quiet.lastId !== '')
    quiet.close()
    const id = await make(key)
    const again = await follow(key, EVERYTHING, { 'last-event-id': quiet.lastId })
    const [created] = await again.take(1)
    assert.deepEqual([created?.event, created?.data.sandbox_id], ['sandbox.created', id])
  })

  test('the stream of a sandbox tells of it alone and ends with it, and is there afterwards', async () => {
    const { key } = await regionOf().newKey()
    const id = await make(key, { name: 'followed' })
    const byName = await follow(key, '/v1/sandboxes/followed/events')
    await make(key)
    await regionOf().ask(`/v1/sandboxes/${id}/pause`, { method: 'POST', key })
    await end(key, id)
    await byName.ended()
    assert.deepEqual(types(byName.frames), ['sandbox.paused', 'sandbox.destroyed'])
    const afterwards = await follow(key, `/v1/sandboxes/${id}/events`, { 'last-event-id': byName.frames[0]?.id ?? '' })
    await afterwards.ended()
    assert.deepEqual(types(afterwards.frames), ['sandbox.destroyed'])
  })

  test('a stream tells of what its reader asks for and may see, and of nothing else', async () => {
    const region = regionOf()
    const [mine, others] = [await region.newKey(), await region.newKey()]
    const pauses = await follow(mine.key, `${EVERYTHING}?types=sandbox.paused,sandbox.destroyed`)
    const all = await follow(mine.key, `${EVERYTHING}?types=sandbox.*`)
    const none = await follow(mine.key, `${EVERYTHING}?types=deployment.*`)
    const user = await region.newKey({ tenant: mine.tenant })
    await region.sql('update api_key set external_user = $1 where id = $2', ['u1', user.keyId])
    const ofUser = await follow(user.key)
    const foreign = await make(others.key)
    const ofTenant = await make(mine.key)
    const ofUserId = await make(mine.key, { external_user_id: 'u1' })
    await region.ask(`/v1/sandboxes/${ofTenant}/pause`, { method: 'POST', key: mine.key })
    await all.take(5)
    await pauses.take(1)
    await ofUser.take(2)
    assert.deepEqual(types(pauses.frames), ['sandbox.paused'])
    assert.ok(all.frames.every(({ data }) => data.sandbox_id !== foreign))
    assert.deepEqual(new Set(ofUser.frames.map(({ data }) => data.sandbox_id)), new Set([ofUserId]))
    assert.equal(none.frames.length, 0)
    for (const path of [`/v1/sandboxes/${foreign}/events`, `${EVERYTHING}?sandbox_id=${foreign}`])
      assert.deepEqual(await refusalOf(mine.key, path), [404, 'sandbox_not_found'])
    assert.deepEqual(await refusalOf(user.key, `/v1/sandboxes/${ofTenant}/history`), [404, 'sandbox_not_found'])
  })

  test('an id that was altered or is of another region is refused, and another tenant’s tells nothing of it', async () => {
    const region = regionOf()
    const [mine, others] = [await region.newKey(), await region.newKey()]
    const reader = await follow(others.key)
    const foreign = await make(others.key)
    const [created] = await reader.take(1)
    const id = created?.id ?? ''
    const elsewhere = createEventIds(PEPPER, 'eu1').of(1, new Date())
    const forged = createEventIds('another secret of another place', 'usw1').of(1, new Date())
    const altered = id.slice(0, -5) + (id.at(-5) === 'a' ? 'b' : 'a') + id.slice(-4)
    for (const wrong of [altered, elsewhere, forged, 'evt_1', foreign, '%00', `${id}x`])
      assert.deepEqual(
        await refusalOf(mine.key, `${EVERYTHING}?last_event_id=${wrong}`),
        [422, 'invalid_request'],
        wrong,
      )
    for (const wrong of ['types=Sandbox!', `types=${'a'.repeat(3_000)}`])
      assert.deepEqual(await refusalOf(mine.key, `${EVERYTHING}?${wrong}`), [422, 'invalid_request'])
    const own = await follow(mine.key, EVERYTHING, { 'last-event-id': id })
    await make(mine.key)
    assert.ok((await own.take(2)).every(({ data }) => data.sandbox_id !== foreign))
    const history = await refusalOf(mine.key, `/v1/sandboxes/${await make(mine.key)}/history?cursor=${altered}`)
    assert.deepEqual(history, [422, 'invalid_request'])
  })

  test('a history is every change of state in order, page by page, and outlives the sandbox', async () => {
    const region = regionOf()
    const { key } = await region.newKey()
    const id = await make(key)
    for (const verb of ['pause', 'resume']) await region.ask(`/v1/sandboxes/${id}/${verb}`, { method: 'POST', key })
    await end(key, id)
    const states: string[] = []
    let cursor = ''
    do {
      const page = await region.ask(`/v1/sandboxes/${id}/history?limit=2${cursor === '' ? '' : `&cursor=${cursor}`}`, {
        key,
      })
      assert.equal(page.status, 200, page.text)
      states.push(...(at(page.json, 'data') as { state: string }[]).map(({ state }) => state))
      cursor = page.json.next_cursor === null ? '' : textAt(page.json, 'next_cursor')
    } while (cursor !== '')
    assert.deepEqual(states, ['creating', 'running', 'paused', 'provisioning', 'running', 'destroyed'])
  })

  test('a reader that is far behind is told everything, and holds up no other', async () => {
    const region = regionOf()
    const { key, tenant } = await region.newKey()
    const count = LIMITS.eventsHeldMax + 2 * LIMITS.eventPageRows
    // One that never reads, while the other keeps up.
    const response = await fetch(region.url + EVERYTHING, { headers: { authorization: `Bearer ${key}` } })
    const keepsUp = await follow(key)
    await write(tenant, count)
    await keepsUp.take(count)
    const ofSlow = await follow(key, EVERYTHING, { 'last-event-id': keepsUp.frames[0]?.id ?? '' })
    await ofSlow.take(count - 1)
    const numbers = [keepsUp.frames[0], ...ofSlow.frames].map((frame) => frame?.data.n)
    assert.deepEqual(
      numbers,
      Array.from({ length: count }, (_, n) => n + 1),
    )
    await response.body?.cancel()
  })

  test('a cursor is refused once what came after it may have been forgotten', async () => {
    const region = regionOf()
    const { key, tenant } = await region.newKey()
    const reader = await follow(key)
    await write(tenant, 2)
    const [first] = await reader.take(2)
    const { db } = region.running.controller.database
    assert.equal(await forgetOldEvents(db, 1_000), 0, 'nothing is old yet')
    await region.sql(
      `update event set ts = now() - interval '31 days' where position <= (
      select position from event where tenant = $1 order by position limit 1)`,
      [tenant],
    )
    assert.ok((await forgetOldEvents(db, 100_000)) > 0)
    assert.deepEqual(await refusalOf(key, `${EVERYTHING}?last_event_id=${first?.id}`), [410, 'events_forgotten'])
  })

  test('streams of one tenant are bounded in number, and one that is closed makes room', async () => {
    const region = regionOf()
    const account = await region.newKey()
    const { streams } = region.running.controller.events
    const principal = { key: account.keyId, tenant: account.tenant }
    const held = Array.from({ length: LIMITS.eventStreamsPerTenantMax - 1 }, () => streams.open(principal))
    const last = await follow(account.key)
    const refused = await region.ask(EVERYTHING, { key: account.key })
    assert.deepEqual([refused.status, at(refused.json, 'error', 'code')], [429, 'stream_limit'])
    assert.ok(refused.headers.get('retry-after') !== null)
    last.close()
    await until('the room of the closed one', async () => {
      const again = await follow(account.key)
      again.close()
      return again.status === 200
    })
    for (const stream of held) stream.close()
    assert.equal((await region.ask(EVERYTHING, { key: account.key, method: 'HEAD' })).status, 200)
  })

  test('a stream ends, saying why, when its key is revoked or its server is about to stop', async () => {
    const region = regionOf()
    const [revoked, staying] = [await region.newKey(), await region.newKey()]
    const ofRevoked = await follow(revoked.key)
    const third = await region.join()
    joined.push(third)
    const ofStopping = await follow(staying.key, EVERYTHING, {}, `http://${third.address.host}:${third.address.port}`)
    await region.sql(`update api_key set status = 'revoked' where id = $1`, [revoked.keyId])
    await ofRevoked.ended()
    assert.equal(ofRevoked.frames.at(-1)?.data.code, 'revoked_token')
    await third.stop()
    await ofStopping.ended()
    const last = ofStopping.frames.at(-1)
    assert.deepEqual([last?.event, last?.data.code, last?.data.retry], ['error', 'draining', 'later'])
  })

  // A place that is given late to an earlier event would be skipped by everybody who has read past it.
  test('readers that come and go hear of every event once and in one order, while many write through two controllers', async () => {
    const region = regionOf()
    const account = await region.newKey()
    const urls = [region.url, `http://${second?.address.host}:${second?.address.port}`]
    const reading = urls.flatMap((url) => [readOnAndOn(account, url), readOnAndOn(account, url)])
    await Promise.all(reading.map(({ started }) => started))
    const over = Date.now() + WRITING_MS
    const isOver = (): boolean => Date.now() > over
    // Transactions that end in another order than they began, and some that never count.
    const writing = Array.from({ length: 12 }, async (_, writer) => {
      for (let n = 0; !isOver(); n++) {
        const client = await region.running.controller.database.pool.connect()
        await client.query('begin')
        await client.query(
          `insert into event (sandbox, tenant, type, data, ts) values ($1, $2, 'sandbox.running', $3, now())`,
          [`sbx_${writer}`, account.tenant, JSON.stringify({ n })],
        )
        await sleep(Math.random() * 30)
        await client.query(n % 7 === 6 ? 'rollback' : 'commit')
        client.release()
        await sleep(Math.random() * 20)
      }
    })
    await Promise.all(writing)
    const written = await region.sql<{ id: string; sandbox: string }>(
      'select id, sandbox from event where tenant = $1',
      [account.tenant],
    )
    const lists = await Promise.all(reading.map((reader) => reader.stopAt(written.length)))
    for (const list of lists) {
      assert.equal(list.length, written.length)
      assert.deepEqual(list, lists[0])
    }
    const seen = new Map<unknown, number>()
    for (const { data } of lists[0] ?? []) {
      assert.ok(Number(data.n) > (seen.get(data.sandbox_id) ?? -1), 'the order of one sandbox is kept')
      seen.set(data.sandbox_id, Number(data.n))
    }
  })

  /** Reads, leaves at a random moment, and goes on from its last id. */
  const readOnAndOn = (account: Account, url: string) => {
    const frames: Frame[] = []
    let lastId = ''
    let isEnough = (): boolean => false
    const started = Promise.withResolvers<void>()
    const reading = (async () => {
      while (!isEnough()) {
        const reader = await follow(account.key, EVERYTHING, lastId === '' ? {} : { 'last-event-id': lastId }, url)
        await until('a place to go on from', () => reader.lastId !== '')
        started.resolve()
        const leaving = Date.now() + Math.random() * 300
        while (Date.now() < leaving && !isEnough()) await sleep(5)
        reader.close()
        frames.push(...reader.frames)
        lastId = reader.lastId === '' ? lastId : reader.lastId
      }
    })()
    return {
      started: started.promise,
      async stopAt(count: number): Promise<Frame[]> {
        const end = Date.now() + 90_000
        isEnough = () => frames.length >= count || Date.now() > end
        await reading
        return frames
      },
    }
  }
}
