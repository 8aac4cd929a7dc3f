/** A customer's server hears of every event at least once, signed, in the order of each sandbox, and is never sent to where it should not be. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { afterEach, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createKeyReader } from '../../../../origin/controller/accounts/api-keys.ts'
import { finishDelivery } from '../../../../origin/controller/webhooks/finish-delivery.ts'
import { forgetFinishedDeliveries } from '../../../../origin/controller/webhooks/forget-deliveries.ts'
import { createSender } from '../../../../origin/controller/webhooks/send-delivery.ts'
import { createWebhook } from '../../../../origin/controller/webhooks/write-webhook.ts'
import { SCOPES } from '../../../../shared/accounts.ts'
import { deliveryRecord, testAnswer, webhookRecord } from '../../../../shared/contracts/webhooks.ts'
import { LIMITS } from '../../../../shared/limits.ts'
import type { TestServer } from '../support/databases.ts'
import { isSignedBy, type Received, type Receiver, startReceiver } from '../support/receiver.ts'
import { type Ask, at, startRegion, type TestRegion, textAt, until } from '../support/region.ts'
import { readSse } from '../support/sse.ts'

const PATH = '/v1/webhooks'

export function webhookPromises(regionOf: () => TestRegion, server: () => TestServer): void {
  const receivers: Receiver[] = []
  afterEach(async () => {
    // A receiver that is gone would be tried again for as long as the tests run.
    await regionOf().sql('update webhook set active = false')
    for (const receiver of receivers.splice(0)) receiver.close()
  })

  const receive = async (): Promise<Receiver> => {
    const receiver = await startReceiver()
    receivers.push(receiver)
    return receiver
  }
  const ask = (key: string, path: string, options: Ask = {}) => regionOf().ask(PATH + path, { key, ...options })
  const hook = async (key: string, url: string, body: object = {}): Promise<{ id: string; secret: string }> => {
    const made = await ask(key, '', { method: 'POST', body: { url, events: ['sandbox.*'], ...body } })
    assert.equal(made.status, 201, made.text)
    return { id: textAt(made.json, 'data', 'id'), secret: textAt(made.json, 'data', 'secret') }
  }
  const live = async (key: string): Promise<string> => {
    const made = await regionOf().ask('/v1/sandboxes', { method: 'POST', key, body: {} })
    return textAt(made.json, 'data', 'id')
  }
  const end = (key: string, id: string) => regionOf().ask(`/v1/sandboxes/${id}`, { method: 'DELETE', key })
  const typesOf = (received: Received[], sandbox: string): string[] =>
    received.filter(({ json }) => json.data.sandbox_id === sandbox).map(({ json }) => json.type)
  const deliveriesOf = async (key: string, id: string, query: string = '') => {
    const listed = await ask(key, `/${id}/deliveries${query}`)
    assert.equal(listed.status, 200, listed.text)
    return deliveryRecord.array().parse(at(listed.json, 'data'))
  }
  /** What would be tried again later is tried again now. */
  const hurry = (id: string) =>
    regionOf().sql(
      `update delivery set next_at = now() where webhook = $1 and status = 'pending' and next_at <> 'infinity'
         and next_at > now() and error is not null`,
      [id],
    )

  test('a webhook is made, read, changed and removed, and its secret is told once', async () => {
    const region = regionOf()
    const { key } = await region.newKey()
    const headers = { 'idempotency-key': randomUUID() }
    const body = {
      url: 'http://127.0.0.1:1/a',
      events: ['sandbox.created'],
      name: 'ours',
      headers: { 'X-Token': 's3cret' },
    }
    const made = await ask(key, '', { method: 'POST', body, headers })
    assert.equal(made.status, 201, made.text)
    const secret = textAt(made.json, 'data', 'secret')
    assert.match(secret, /^whsec_[\w-]{43}$/)
    const record = webhookRecord.parse(at(made.json, 'data'))
    assert.deepEqual(
      [record.active, record.header_names, record.retry_count],
      [true, ['X-Token'], LIMITS.webhookRetriesDefault],
    )
    assert.ok(secret.startsWith(record.secret_preview.slice(0, -1)))

    const again = await ask(key, '', { method: 'POST', body, headers })
    assert.deepEqual([again.text, again.headers.get('idempotent-replayed')], [made.text, 'true'])
    const other = await ask(key, '', { method: 'POST', body: { ...body, name: 'theirs' }, headers })
    assert.deepEqual([other.status, at(other.json, 'error', 'code')], [422, 'idempotency_key_reused'])

    const path = `/${record.id}`
    const changed = await ask(key, path, { method: 'PATCH', body: { active: false, events: ['*'], retry_count: 0 } })
    assert.deepEqual(
      [changed.status, at(changed.json, 'data', 'active'), at(changed.json, 'data', 'events')],
      [200, false, ['*']],
    )
    for (const answer of [await ask(key, path), await ask(key, '')]) {
      assert.equal(answer.status, 200)
      assert.ok(!answer.text.includes(secret) && !answer.text.includes('s3cret'))
    }
    const [stored] = await region.sql<{ secret: string }>('select secret from webhook where id = $1', [record.id])
    const [kept] = await region.sql<{ response: string }>(`select response from idempotency where sandbox = $1`, [
      record.id,
    ])
    assert.ok(!stored?.secret.includes(secret) && !kept?.response.includes(secret), 'no secret is stored in clear')

    assert.equal((await ask(key, path, { method: 'DELETE' })).status, 204)
    for (const method of ['GET', 'DELETE']) assert.equal((await ask(key, path, { method })).status, 404)
    assert.deepEqual(at((await ask(key, '')).json, 'data'), [])
  })

  test('webhooks are listed page by page, also when the last of a page is removed meanwhile', async () => {
    const [mine, others] = [await regionOf().newKey(), await regionOf().newKey()]
    const made = []
    for (let n = 0; n < 3; n++) made.unshift((await hook(mine.key, 'http://127.0.0.1:1/')).id)
    const page = (query: string, key = mine.key) => ask(key, query)
    const idsOf = (json: unknown) => (at(json, 'data') as { id: string }[]).map(({ id }) => id)
    const first = await page('?limit=2')
    assert.deepEqual([idsOf(first.json), at(first.json, 'next_cursor')], [made.slice(0, 2), made[1]])
    await ask(mine.key, `/${made[1]}`, { method: 'DELETE' })
    const second = await page(`?limit=2&cursor=${made[1]}`)
    assert.deepEqual([idsOf(second.json), at(second.json, 'next_cursor')], [made.slice(2), null])
    for (const [query, key] of [
      ['?cursor=whk_altered', mine.key],
      [`?cursor=${made[1]}`, others.key],
      ['?limit=0', mine.key],
    ] as const)
      assert.equal((await page(query, key)).status, 422, query)
  })

  test('webhooks are of one tenant, for its own keys, and within their scopes', async () => {
    const region = regionOf()
    const [mine, others] = [await region.newKey(), await region.newKey()]
    const { id } = await hook(mine.key, 'http://127.0.0.1:1/')
    const routes: [string, string][] = [
      ['GET', `/${id}`],
      ['PATCH', `/${id}`],
      ['DELETE', `/${id}`],
      ['POST', `/${id}/test`],
      ['GET', `/${id}/deliveries`],
      ['POST', `/${id}/deliveries/replay`],
    ]
    for (const [method, path] of routes) {
      const answer = await ask(others.key, path, { method, ...(method === 'PATCH' ? { body: { name: 'x' } } : {}) })
      assert.deepEqual([answer.status, at(answer.json, 'error', 'code')], [404, 'not_found'], `${method} ${path}`)
    }
    assert.deepEqual(at((await ask(others.key, '')).json, 'data'), [])
    const reader = await region.newKey({ tenant: mine.tenant, scopes: ['webhooks:read'] })
    const refused = await ask(reader.key, `/${id}`, { method: 'DELETE' })
    assert.deepEqual([refused.status, at(refused.json, 'error', 'details', 'scope')], [403, 'webhooks:write'])
    const user = await region.newKey({ tenant: mine.tenant })
    await region.sql('update api_key set external_user = $1 where id = $2', ['u1', user.keyId])
    const ofUser = await ask(user.key, '')
    assert.deepEqual([ofUser.status, at(ofUser.json, 'error', 'code')], [403, 'owner_key_required'])
    await region.sql(`update api_key set status = 'revoked' where id = $1`, [mine.keyId])
    assert.equal((await ask(mine.key, `/${id}`, { method: 'DELETE' })).status, 401)
  })

  test('what should not be in a webhook is refused, naming it', async () => {
    const region = regionOf()
    const { key } = await region.newKey()
    const good = { url: 'http://127.0.0.1:1/', events: ['sandbox.*'] }
    const wrong: [object, string][] = [
      [{ ...good, url: '' }, 'url'],
      [{ ...good, events: [] }, 'events'],
      [{ ...good, events: ['Sandbox'] }, 'events.0'],
      [{ ...good, headers: { Host: 'x' } }, 'headers'],
      [{ ...good, headers: { 'Miosa-Signature': 'x' } }, 'headers'],
      [{ ...good, headers: { 'X-A': 'a\r\nb: c' } }, 'headers'],
      [{ ...good, name: 'a\0b' }, 'name'],
      [{ ...good, retry_count: 1_000 }, 'retry_count'],
      [{ events: ['*'] }, 'url'],
    ]
    for (const [body, field] of wrong) {
      const answer = await ask(key, '', { method: 'POST', body })
      assert.equal(answer.status, 422, answer.text)
      assert.ok(at(answer.json, 'error', 'details', field) !== undefined, `${field}: ${answer.text}`)
    }
    for (const url of ['ftp://example.com/', 'http://a:b@example.com/', 'nothing', 'http://no-such-host.invalid/']) {
      const answer = await ask(key, '', { method: 'POST', body: { ...good, url } })
      assert.deepEqual([answer.status, at(answer.json, 'error', 'code')], [422, 'webhook_url_refused'], url)
    }
  })

  // As every region but a developer's own is set.
  test('an address that is not public is refused when the webhook is made', async () => {
    const region = regionOf()
    const { controller } = region.running
    const account = await region.newKey()
    const names = async (host: string) => [
      { address: host === 'inside.test' ? '10.0.0.7' : '93.184.216.34', family: 4 },
    ]
    const strict = {
      ...controller,
      webhooks: createSender({ ...controller.webhooks.bounds, reach: 'public', names }, Date.now),
    }
    const principal = await createKeyReader(controller.accounts, Date.now)(`Bearer ${account.key}`)
    const make = (url: string) => createWebhook(strict, principal, { url, events: ['*'] }, undefined)
    for (const url of ['https://inside.test/', 'https://127.0.0.1/', 'https://[::1]/', 'http://outside.test/'])
      await assert.rejects(make(url), { code: 'webhook_url_refused' }, url)
    assert.equal((await make('https://outside.test/')).isReplay, false)
    await strict.webhooks.close()
  })

  test('every event of a sandbox arrives signed, in order, with the id that streams tell', async () => {
    const region = regionOf()
    const { key } = await region.newKey()
    const receiver = await receive()
    const { id, secret } = await hook(key, `${receiver.url}/hook?x=1`, { headers: { 'X-Token': 'mine' } })
    const stream = await readSse(`${region.url}/v1/events/stream`, { authorization: `Bearer ${key}` })
    const sandbox = await live(key)
    await region.ask(`/v1/sandboxes/${sandbox}/pause`, { method: 'POST', key })
    await end(key, sandbox)
    const received = await receiver.take(4)
    const types = ['sandbox.created', 'sandbox.running', 'sandbox.paused', 'sandbox.destroyed']
    assert.deepEqual(typesOf(received, sandbox), types)
    const frames = await stream.take(4)
    stream.close()
    assert.deepEqual(
      received.map(({ json }) => json.id),
      frames.map((frame) => frame.id),
    )
    for (const one of received) {
      assert.ok(isSignedBy(secret, one))
      assert.deepEqual(
        [one.path, one.headers['x-token'], one.headers['content-type']],
        ['/hook?x=1', 'mine', 'application/json'],
      )
    }
    await until(
      'the deliveries to be written down',
      async () => (await deliveriesOf(key, id, '?status=delivered')).length === 4,
    )
    const [newest] = await deliveriesOf(key, id, '?limit=1')
    assert.deepEqual([newest?.attempts, newest?.response_status, newest?.error], [1, 200, null])
  })

  // Clients in the field subscribe to these names; a webhook that waits for one of them must not wait for ever.
  test('whoever asks for a sandbox that is ready, or started, hears of it by that name, once, and of no resumption', async () => {
    const region = regionOf()
    const { key } = await region.newKey()
    const receivers = await Promise.all([receive(), receive(), receive()])
    const asked = [['sandbox.ready'], ['sandbox.started', 'sandbox.paused'], ['sandbox.ready', 'sandbox.running']]
    for (const [n, events] of asked.entries()) await hook(key, receivers[n]?.url ?? '', { events })
    const stream = await readSse(`${region.url}/v1/events/stream?types=sandbox.ready`, {
      authorization: `Bearer ${key}`,
    })
    const sandbox = await live(key)
    for (const verb of ['pause', 'resume', 'pause'])
      await region.ask(`/v1/sandboxes/${sandbox}/${verb}`, { method: 'POST', key })
    await receivers[1]?.take(3)
    await Promise.all([receivers[0]?.take(1), receivers[2]?.take(1)])
    assert.deepEqual(
      receivers.map(({ received }) => typesOf(received, sandbox)),
      [['sandbox.ready'], ['sandbox.started', 'sandbox.paused', 'sandbox.paused'], ['sandbox.running']],
    )
    const [frame] = await stream.take(1)
    stream.close()
    assert.deepEqual([frame?.event, at(frame?.data, 'type')], ['sandbox.ready', 'sandbox.ready'])
  })

  test('a delivery that fails is tried again, and later ones of its sandbox wait for it, those of others do not', async () => {
    const region = regionOf()
    const { key } = await region.newKey()
    const receiver = await receive()
    const { id, secret } = await hook(key, receiver.url)
    let stubborn = ''
    receiver.answer = ({ json }) => (json.data.sandbox_id === stubborn ? 500 : 200)
    const first = await live(key)
    stubborn = first
    await receiver.take(1)
    await region.ask(`/v1/sandboxes/${first}/pause`, { method: 'POST', key })
    const second = await live(key)
    await until('the other sandbox', () => typesOf(receiver.received, second).length === 2)
    const before = await deliveriesOf(key, id, '?status=pending')
    assert.ok(
      before.some(({ next_at }) => next_at === null),
      'somebody waits in line',
    )
    stubborn = ''
    await until('the rest', async () => {
      await hurry(id)
      return (await deliveriesOf(key, id, '?status=pending')).length === 0
    })
    // Repeats aside, nothing comes before what came before it.
    const types = typesOf(receiver.received, first)
    assert.deepEqual([...new Set(types)], ['sandbox.created', 'sandbox.running', 'sandbox.paused'])
    assert.deepEqual(
      types,
      types.toSorted((one, other) => rank(one) - rank(other)),
    )
    assert.ok(
      receiver.received.every((one) => isSignedBy(secret, one)),
      'each attempt is signed anew',
    )
  })

  test('after its last try a delivery is dead, lets the next one go, and can be sent again with the same id', async () => {
    const region = regionOf()
    const { key } = await region.newKey()
    const receiver = await receive()
    const { id } = await hook(key, receiver.url, { retry_count: 1 })
    receiver.answer = () => 503
    const sandbox = await live(key)
    await until('both to be given up', async () => {
      await hurry(id)
      return (await deliveriesOf(key, id, '?status=dead')).length === 2
    })
    const dead = await deliveriesOf(key, id)
    assert.ok(dead.every(({ attempts, response_status }) => attempts === 2 && response_status === 503))
    receiver.answer = () => 200
    receiver.received.length = 0
    const [last] = dead
    const one = await ask(key, `/${id}/deliveries/${last?.id}/replay`, { method: 'POST' })
    assert.deepEqual([one.status, at(one.json, 'data', 'status')], [200, 'pending'], one.text)
    const [again] = await receiver.take(1)
    assert.equal(again?.json.id, last?.event_id)
    const all = await ask(key, `/${id}/deliveries/replay`, { method: 'POST' })
    assert.deepEqual(at(all.json, 'data'), { replayed: 1 })
    await receiver.take(2)
    await until('both to be delivered', async () => (await deliveriesOf(key, id, '?status=delivered')).length === 2)
    for (const wrong of ['dlv_usw1_nothing', sandbox, '%00'])
      assert.equal((await ask(key, `/${id}/deliveries/${wrong}/replay`, { method: 'POST' })).status, 404)
  })

  test('everything that was given up is sent again in the order of each sandbox', async () => {
    const region = regionOf()
    const { key } = await region.newKey()
    const receiver = await receive()
    const { id } = await hook(key, receiver.url, { retry_count: 0 })
    receiver.answer = () => 500
    const sandboxes = [await live(key), await live(key)]
    for (const sandbox of sandboxes) await end(key, sandbox)
    await until('all to be given up', async () => (await deliveriesOf(key, id, '?status=dead')).length === 6)
    receiver.answer = () => 200
    receiver.received.length = 0
    await ask(key, `/${id}/deliveries/replay`, { method: 'POST' })
    await receiver.take(6)
    for (const sandbox of sandboxes)
      assert.deepEqual(typesOf(receiver.received, sandbox), ['sandbox.created', 'sandbox.running', 'sandbox.destroyed'])
  })

  // A line of deliveries moves when one ends. Whoever joins it at that very moment must not be left standing.
  test('no delivery is left in its line while events are written, given up and sent again at the same time', async () => {
    const region = regionOf()
    const { key, tenant } = await region.newKey()
    const receiver = await receive()
    const { id } = await hook(key, receiver.url, { retry_count: 0 })
    let isOver = false
    receiver.answer = () => (isOver || Math.random() < 0.7 ? 200 : 500)
    const replaying = (async () => {
      while (!isOver) await ask(key, `/${id}/deliveries/replay`, { method: 'POST' })
    })()
    const events = 300
    for (let n = 0; n < events; n++) {
      await region.sql(
        `insert into event (sandbox, tenant, type, data, ts) values ($1, $2, 'sandbox.running', $3, now())`,
        [`sbx_${n % 3}`, tenant, JSON.stringify({ sandbox_id: `sbx_${n % 3}`, n })],
      )
      if (n % 10 === 0) await sleep(10)
    }
    isOver = true
    await replaying
    await until('every event to be delivered', async () => {
      await ask(key, `/${id}/deliveries/replay`, { method: 'POST' })
      const [left] = await region.sql<{ count: number }>(
        `select count(*)::integer from delivery where webhook = $1 and status <> 'delivered'`,
        [id],
      )
      return left?.count === 0 && (await deliveriesOf(key, id)).length === events
    })
  })

  test('a receiver that never answers holds up no other', async () => {
    const region = regionOf()
    const { key } = await region.newKey()
    const [slow, quick] = [await receive(), await receive()]
    slow.answer = () => 0
    await hook(key, slow.url)
    await hook(key, quick.url)
    const count = 2 * LIMITS.webhookDeliveriesOfOneAtOnceMax
    await Promise.all(Array.from({ length: count }, () => live(key)))
    await quick.take(2 * count)
    assert.ok(slow.received.length <= LIMITS.webhookDeliveriesOfOneAtOnceMax)
  })

  test('a webhook is made at home, and hears of what happens in every region', async () => {
    const home = regionOf()
    const receiver = await receive()
    const env = { ATOLL_REGION_NAME: 'eu', ATOLL_HOME_URL: home.url }
    const there = await startRegion(await server().createDatabase(), { code: 'eu1', env })
    try {
      const { key } = await home.newKey()
      const { id, secret } = await hook(key, receiver.url)
      const made = await home.ask('/v1/api-keys', { method: 'POST', key, body: { scopes: [...SCOPES] } })
      const own = textAt(made.json, 'data', 'key')
      await until(
        'the webhook and the key to arrive',
        async () => (await there.ask(`${PATH}/${id}`, { key: own })).status === 200,
      )
      const refused = await there.ask(`${PATH}/${id}`, { method: 'DELETE', key: own })
      assert.deepEqual([refused.status, at(refused.json, 'error', 'code')], [421, 'not_home_region'])
      const sandbox = textAt(
        (await there.ask('/v1/sandboxes', { method: 'POST', key: own, body: {} })).json,
        'data',
        'id',
      )
      const received = await receiver.take(2)
      assert.deepEqual(typesOf(received, sandbox), ['sandbox.created', 'sandbox.running'])
      assert.ok(received.every((one) => one.json.data.region === 'eu1' && isSignedBy(secret, one)))
      const listed = await there.ask(`${PATH}/${id}/deliveries`, { key: own })
      assert.deepEqual(
        [listed.status, at(listed.json, 'data', 'length'), (await deliveriesOf(key, id)).length],
        [200, 2, 0],
      )
    } finally {
      await there.close()
    }
  })

  // Its controller was stopped for longer than a lease, and another one has taken the delivery since.
  test('what becomes of an attempt is written only by whoever made the last one', async () => {
    const region = regionOf()
    const { key, tenant } = await region.newKey()
    const { id: webhook } = await hook(key, (await receive()).url)
    const id = `dlv_${randomUUID()}`
    await region.sql(
      `insert into delivery (id, webhook, tenant, event_id, type, body, status, attempts, next_at, created_at)
       values ($1, $2, $3, 'evt', 'webhook.test', '{}', 'pending', 2, now() + interval '1 hour', now())`,
      [id, webhook, tenant],
    )
    const statusAfter = async (attempts: number): Promise<string | undefined> => {
      const attempted = { id, webhook, sandbox: null, attempts }
      await finishDelivery(region.running.controller.database.db, attempted, { kind: 'delivered', status: 200 })
      const rows = await region.sql<{ status: string }>('select status from delivery where id = $1', [id])
      return rows[0]?.status
    }
    assert.deepEqual([await statusAfter(1), await statusAfter(2)], ['pending', 'delivered'])
  })

  test('a test is delivered at once, and its answer says what happened', async () => {
    const { key } = await regionOf().newKey()
    const receiver = await receive()
    const { id, secret } = await hook(key, receiver.url)
    const good = testAnswer.parse(at((await ask(key, `/${id}/test`, { method: 'POST' })).json, 'data'))
    assert.deepEqual([good.delivered, good.status], [true, 200])
    const [one] = receiver.received
    assert.ok(one !== undefined && isSignedBy(secret, one) && one.json.type === 'webhook.test')
    receiver.answer = () => 302
    const bad = testAnswer.parse(at((await ask(key, `/${id}/test`, { method: 'POST' })).json, 'data'))
    assert.deepEqual([bad.delivered, bad.status], [false, 302])
    receiver.close()
    const gone = testAnswer.parse(at((await ask(key, `/${id}/test`, { method: 'POST' })).json, 'data'))
    assert.deepEqual([gone.delivered, gone.status, gone.error], [false, null, 'The connection failed (ECONNREFUSED).'])
    assert.deepEqual((await deliveriesOf(key, id)).map(({ status }) => status).toSorted(), [
      'dead',
      'dead',
      'delivered',
    ])
  })

  // A client repeats a test by itself, with one key, when the answer was lost on its way.
  test('a test with an Idempotency-Key is delivered once, and its repeats hear of that one', async () => {
    const { key } = await regionOf().newKey()
    const receiver = await receive()
    const { id } = await hook(key, receiver.url)
    const headers = { 'idempotency-key': randomUUID() }
    const asked = await Promise.all(
      Array.from({ length: 5 }, () => ask(key, `/${id}/test`, { method: 'POST', headers })),
    )
    const answered = asked.filter(({ status }) => status === 200)
    assert.ok(answered.length >= 1)
    for (const { status, json } of asked)
      assert.ok(status === 200 || textAt(json, 'error', 'code') === 'idempotency_in_progress', textAt(json, 'error'))
    const again = await ask(key, `/${id}/test`, { method: 'POST', headers })
    assert.deepEqual([again.json, again.headers.get('idempotent-replayed')], [answered[0]?.json, 'true'])
    assert.equal(receiver.received.length, 1)
    const other = await hook(key, receiver.url)
    const fresh = await ask(key, `/${other.id}/test`, { method: 'POST', headers })
    assert.deepEqual([fresh.status, fresh.headers.get('idempotent-replayed')], [200, null], 'a key is for one route')
  })

  test('what waits for a webhook that is switched off is given up, and what ended long ago is forgotten', async () => {
    const region = regionOf()
    const { key } = await region.newKey()
    const receiver = await receive()
    const { id } = await hook(key, receiver.url)
    receiver.answer = () => 500
    await live(key)
    await receiver.take(1)
    await ask(key, `/${id}`, { method: 'PATCH', body: { active: false } })
    await until('both to be given up', async () => {
      await hurry(id)
      return (await deliveriesOf(key, id, '?status=dead')).length === 2
    })
    await live(key)
    assert.equal((await deliveriesOf(key, id)).length, 2)
    await region.sql(`update delivery set finished_at = now() - interval '15 days' where webhook = $1`, [id])
    const { db } = region.running.controller.database
    assert.equal(await forgetFinishedDeliveries(db, 1), 1)
    await forgetFinishedDeliveries(db, 1_000)
    assert.equal((await deliveriesOf(key, id)).length, 0)
  })
}

const rank = (type: string): number => ['sandbox.created', 'sandbox.running', 'sandbox.paused'].indexOf(type)
