/** Machines join by a token and are known by their certificate; they belong to their owner, and what is lost with one is said and never runs twice. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, test } from 'node:test'
import { connectHost } from '../../../../origin/controller/hosts/client.ts'
import { newJoinToken } from '../../../../shared/ids.ts'
import { type NetworkHost, startNetworkHost } from '../support/network-host.ts'
import { type Account, type Answer, at, OPERATOR, type TestRegion, textAt, until } from '../support/region.ts'

export const HOSTS_ENV = { ATOLL_HOST_GONE_SEC: '5', ATOLL_PRIVATE_HOSTS: 'allow' }

export function hostPromises(regionOf: () => TestRegion): void {
  const machines: NetworkHost[] = []
  const machine = async (name: string): Promise<NetworkHost> => {
    const started = await startNetworkHost(name)
    machines.push(started)
    return started
  }
  after(() => Promise.all(machines.map((one) => one.close())))

  const operate = (path: string, method = 'GET'): Promise<Answer> =>
    regionOf().ask(`/v1/admin/hosts${path}`, { method, key: OPERATOR, ...(method === 'POST' ? { body: {} } : {}) })
  const tokenOf = async (key?: string): Promise<string> => {
    const path = key === undefined ? '/v1/admin/hosts/tokens' : '/v1/hosts/tokens'
    const made = await regionOf().ask(path, { method: 'POST', key: key ?? OPERATOR, body: {} })
    assert.equal(made.status, 201, made.text)
    return textAt(made.json, 'data', 'token')
  }
  const ask = (body: object): Promise<Answer> => regionOf().ask('/v1/hosts/join', { method: 'POST', key: null, body })
  const stateOf = async (id: string): Promise<string> => textAt((await operate(`/${id}`)).json, 'data', 'state')
  const join = async (one: NetworkHost, key?: string): Promise<string> => {
    const joined = await ask(one.question(await tokenOf(key)))
    assert.equal(joined.status, 201, joined.text)
    const id = textAt(joined.json, 'data', 'id')
    await until(`${id} to be ready`, async () => (await stateOf(id)) === 'ready')
    return id
  }
  const create = (key?: string): Promise<Answer> =>
    regionOf().ask('/v1/sandboxes', { method: 'POST', body: {}, ...(key === undefined ? {} : { key }) })
  const rowOf = async (id: string) => {
    const [row] = await regionOf().sql<{ host: string; state: string; last_error: string; released: boolean }>(
      'select host, state, last_error, released_at is not null as released from sandbox where id = $1',
      [id],
    )
    assert.ok(row)
    return row
  }
  /** A sandbox somewhere. That a host is open again is known with the next word of it, and until then there may be no room. */
  const placed = async (): Promise<string> => {
    let made: Answer | undefined
    await until('a host to be open', async () => {
      made = await create()
      return made.status !== 503
    })
    assert.equal(made?.status, 201, made?.text)
    return textAt(made?.json, 'data', 'id')
  }
  /** A sandbox there and nowhere else: everything but that host is shut to new ones for the moment. */
  const createOn = async (host: string): Promise<string> => {
    const others = await regionOf().sql<{ id: string }>('select id from host where id <> $1 and not cordoned', [host])
    for (const { id } of others) await operate(`/${id}/cordon`, 'POST')
    const sandbox = await placed()
    for (const { id } of others) await operate(`/${id}/uncordon`, 'POST')
    assert.equal((await rowOf(sandbox)).host, host)
    return sandbox
  }

  let first: NetworkHost
  let second: NetworkHost
  let firstId: string
  let secondId: string
  before(async () => {
    first = await machine('first')
    second = await machine('second')
    firstId = await join(first)
    secondId = await join(second)
  })

  test('of many machines with one token exactly one joins, and hears the same again when its answer was lost', async () => {
    const token = await tokenOf()
    const rivals = Array.from({ length: 8 }, (_, n) => ({
      ...first.question(token),
      fingerprint: randomBytes(32).toString('hex'),
      url: `https://127.0.0.1:${n + 1}`,
    }))
    const answers = await Promise.all(rivals.map(ask))
    const winner = answers.findIndex(({ status }) => status === 201)
    assert.deepEqual(answers.map(({ status }) => status).sort(), [201, ...Array(7).fill(401)])
    const id = textAt(answers[winner]?.json, 'data', 'id')
    const again = await ask(rivals[winner] ?? {})
    assert.deepEqual([again.status, textAt(again.json, 'data', 'id')], [201, id])
    const stolen = await ask({ ...rivals[winner], secret: randomBytes(32).toString('base64url') })
    assert.equal(stolen.status, 401)
    assert.equal((await operate(`/${id}?force=true`, 'DELETE')).status, 204)
  })

  test('a token that was never made, is mistyped or is too old lets nobody in', async () => {
    const old = await tokenOf()
    await regionOf().sql(`update host_token set expires_at = now() - interval '1 second' where used_at is null`)
    for (const token of [newJoinToken(randomBytes(32)), 'atlj_0', old]) {
      const refused = await ask({ ...first.question(token), fingerprint: randomBytes(32).toString('hex') })
      assert.equal(refused.status, 401, refused.text)
      assert.equal(textAt(refused.json, 'error', 'code'), 'join_token_refused')
    }
  })

  test('a sandbox lives on a machine that joined, and every controller of the region knows the way', async () => {
    const region = regionOf()
    const id = await createOn(firstId)
    assert.ok(first.double.vms.has(id))
    const ran = await region.ask(`/v1/sandboxes/${id}/exec`, { method: 'POST', body: { command: 'echo over there' } })
    assert.equal(textAt(ran.json, 'data', 'stdout'), 'over there\n')
    const other = await region.join()
    try {
      const url = `http://${other.address.host}:${other.address.port}/v1/sandboxes/${id}`
      const headers = { authorization: `Bearer ${region.key}` }
      assert.equal((await fetch(`${url}/pause`, { method: 'POST', headers })).status, 200)
      assert.equal(first.double.vms.get(id)?.state, 'paused')
      assert.equal((await fetch(url, { method: 'DELETE', headers })).status, 204)
      assert.ok(!first.double.vms.has(id))
    } finally {
      await other.stop()
    }
  })

  // Whoever stands in between must not be sent the secret, and a tenant must not make us knock at our own doors.
  test('a machine with another certificate is sent nothing, and one without the secret answers nothing', async () => {
    const stranger = await machine('stranger')
    const { fingerprint, secret } = second.identity
    const known = { kind: 'network' as const, name: 'x', url: stranger.url, fingerprint, secret, isPublicOnly: false }
    const expected = [
      { address: known, kind: 'refused' },
      { address: { ...known, fingerprint: stranger.identity.fingerprint }, kind: 'failed' },
      {
        address: { ...known, fingerprint: stranger.identity.fingerprint, secret: stranger.identity.secret },
        kind: 'done',
      },
      { address: { ...known, url: stranger.url, isPublicOnly: true }, kind: 'refused' },
      {
        address: { ...known, url: stranger.url.replace('127.0.0.1', 'localhost'), isPublicOnly: true },
        kind: 'refused',
      },
    ]
    for (const { address, kind } of expected) {
      const host = connectHost(address)
      assert.equal((await host.capacity()).kind, kind)
      await host.close()
    }
    assert.equal(stranger.requests, 1)
  })

  test("a tenant's own machine takes that tenant's sandboxes first, and does not exist for anybody else", async () => {
    const region = regionOf()
    const [owner, neighbour]: Account[] = [await region.newKey(), await region.newKey()]
    assert.ok(owner && neighbour)
    const own = await machine('own')
    const id = await join(own, owner.key)
    const mine = await create(owner.key)
    assert.equal((await rowOf(textAt(mine.json, 'data', 'id'))).host, id)
    const theirs = await Promise.all(Array.from({ length: 10 }, () => create(neighbour.key)))
    assert.deepEqual(
      theirs.map(({ status }) => status),
      Array(10).fill(201),
    )
    assert.equal(own.double.vms.size, 1)
    for (const { json } of theirs)
      await region.ask(`/v1/sandboxes/${textAt(json, 'data', 'id')}`, { method: 'DELETE', key: neighbour.key })

    const list = await region.ask('/v1/hosts', { key: owner.key })
    assert.deepEqual(
      (at(list.json, 'data') as object[]).map((one) => at(one, 'id')),
      [id],
    )
    assert.deepEqual(at((await region.ask('/v1/hosts', { key: neighbour.key })).json, 'data'), [])
    for (const [method, path] of [
      ['GET', ''],
      ['POST', '/cordon'],
      ['POST', '/drain'],
      ['POST', '/uncordon'],
      ['DELETE', '?force=true'],
    ] as const) {
      const refused = await region.ask(`/v1/hosts/${id}${path}`, { method, key: neighbour.key })
      assert.deepEqual([refused.status, textAt(refused.json, 'error', 'code')], [404, 'host_not_found'])
      const shared = await region.ask(`/v1/hosts/${firstId}${path}`, { method, key: owner.key })
      assert.equal(shared.status, 404)
    }
    const taken = await ask(own.question(await tokenOf(neighbour.key)))
    assert.deepEqual([taken.status, textAt(taken.json, 'error', 'code')], [409, 'host_taken'])
    const reader = await region.newKey({ scopes: ['sandboxes:read'] })
    for (const path of ['/v1/hosts', `/v1/hosts/${id}`])
      assert.equal((await region.ask(path, { key: reader.key })).status, 403)
    assert.equal((await region.ask('/v1/admin/hosts', { key: owner.key })).status, 401)
    assert.ok(!(await operate('')).text.includes(own.identity.secret))
    const kept = await region.sql<{ secret: string }>('select secret from host where secret is not null')
    assert.ok(kept.length > 0 && kept.every(({ secret }) => !secret.includes(own.identity.secret)))
    // A key that was used a moment ago is still remembered, and must not let a machine in any more.
    await region.sql(`update api_key set status = 'revoked' where id = $1`, [owner.keyId])
    const late = await region.ask('/v1/hosts/tokens', { method: 'POST', key: owner.key, body: {} })
    assert.deepEqual([late.status, textAt(late.json, 'error', 'code')], [401, 'revoked_token'])
  })

  test('a drained host takes nothing new, lets live what is there, and says how much is left', async () => {
    const region = regionOf()
    const id = await createOn(firstId)
    const drained = await operate(`/${firstId}/drain`, 'POST')
    assert.deepEqual([textAt(drained.json, 'data', 'state'), at(drained.json, 'data', 'sandboxes')], ['draining', 1])
    for (let n = 0; n < 5; n++) assert.notEqual((await rowOf(await placed())).host, firstId)
    const ran = await region.ask(`/v1/sandboxes/${id}/exec`, { method: 'POST', body: { command: 'echo on' } })
    assert.equal(ran.status, 200, ran.text)
    await region.ask(`/v1/sandboxes/${id}`, { method: 'DELETE' })
    assert.equal(await stateOf(firstId), 'drained')
    assert.equal(textAt((await operate(`/${firstId}/uncordon`, 'POST')).json, 'data', 'state'), 'ready')
  })

  test('a host that holds sandboxes is removed only by force; they fail, their machines end, and it may join again', async () => {
    const id = await createOn(secondId)
    const held = await operate(`/${secondId}`, 'DELETE')
    assert.deepEqual([held.status, textAt(held.json, 'error', 'code')], [409, 'host_not_empty'])
    const configured = await operate('/h1?force=true', 'DELETE')
    assert.deepEqual([configured.status, textAt(configured.json, 'error', 'code')], [409, 'host_configured'])
    assert.equal((await operate(`/${secondId}?force=true`, 'DELETE')).status, 204)
    const row = await rowOf(id)
    assert.deepEqual(
      [row.state, row.released, row.last_error],
      ['error', true, 'The host of this sandbox was removed.'],
    )
    assert.equal((await operate(`/${secondId}`)).status, 404)
    await until('its machine to end', () => !second.double.vms.has(id))
    assert.equal(await join(second), secondId)
  })

  test('a removal that broke off after its first step is finished by the reconciler', async () => {
    const id = await createOn(secondId)
    await regionOf().sql('update host set removed_at = clock_timestamp() where id = $1', [secondId])
    await until('its sandbox to be given up', async () => (await rowOf(id)).released)
    await until('its machine to end', () => !second.double.vms.has(id))
    assert.equal(await join(second), secondId)
  })

  // The machine may only be cut off: what it still runs must be ended when it is back, for the row is an error for good.
  test('a host that is gone loses its sandboxes after the wait, and what it still runs is ended when it is back', async () => {
    const region = regionOf()
    const [lost, kept, paused] = [await createOn(firstId), await createOn(secondId), await createOn(firstId)]
    assert.equal((await region.ask(`/v1/sandboxes/${paused}/pause`, { method: 'POST' })).status, 200)
    const snapshot = textAt(
      (await region.ask(`/v1/sandboxes/${lost}/snapshots`, { method: 'POST', body: {} })).json,
      'data',
      'id',
    )
    const snapshotStatus = async () => textAt((await region.ask(`/v1/snapshots/${snapshot}`)).json, 'data', 'status')
    await first.away()
    await until(`${lost} to be given up`, async () => (await rowOf(lost)).state === 'error')
    const row = await rowOf(lost)
    assert.deepEqual([row.released, row.last_error], [true, 'The host of this sandbox was lost.'])
    assert.equal(await stateOf(firstId), 'lost')
    const open = await region.sql('select from usage_interval where sandbox = $1 and closed_at is null', [lost])
    assert.equal(open.length, 0)
    await until('its snapshot to be given up', async () => (await snapshotStatus()) === 'failed')
    assert.equal((await rowOf(kept)).state, 'running')
    assert.ok(first.double.vms.has(lost))
    // It may be on the disk of a machine that is only being repaired.
    assert.equal((await rowOf(paused)).state, 'paused')
    assert.equal((await region.ask(`/v1/sandboxes/${paused}/resume`, { method: 'POST' })).status, 503)
    await first.back()
    await until('the stray to end', () => !first.double.vms.has(lost))
    await until('it to be ready', async () => (await stateOf(firstId)) === 'ready')
    await until('its snapshot to be there again', async () => (await snapshotStatus()) === 'ready')
    const held = await operate(`/${firstId}`, 'DELETE')
    assert.deepEqual([held.status, at(held.json, 'error', 'details')], [409, { sandboxes: 1, snapshots: 1 }], held.text)
    assert.equal((await region.ask(`/v1/sandboxes/${paused}/resume`, { method: 'POST' })).status, 200)
  })
}
