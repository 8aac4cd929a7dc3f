/** A customer's own machines through the edge: each is of one region, and whoever names it need not know of which. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { machineRecord } from '../../../shared/contracts/hosts.ts'
import { startNetworkHost } from '../controller/support/network-host.ts'
import { at, textAt, until } from '../controller/support/region.ts'
import { setHomeStage } from './stage/home-and-follower.ts'

const HOSTS = '/v1/hosts'

test('a machine joins the region its token was asked of, and is listed, ordered and removed from anywhere', async (t) => {
  const { home, eu1, ask } = await setHomeStage(t, { ATOLL_PRIVATE_HOSTS: 'allow' })
  const regions = { usw1: home, eu1 }
  /** As the machine does it: with the token, at the address of the region itself. */
  const join = async (code: 'usw1' | 'eu1', region?: string): Promise<string> => {
    const machine = await startNetworkHost(`machine-${code}`)
    t.after(() => machine.close())
    const made = await ask(`${HOSTS}/tokens`, home.key, {
      method: 'POST',
      body: {},
      ...(region === undefined ? {} : { region }),
    })
    assert.deepEqual([made.status, made.headers.get('x-region')], [201, code], made.text)
    assert.equal(made.headers.get('cache-control'), 'no-store')
    const question = machine.question(textAt(made.json, 'data', 'token'))
    const joined = await regions[code].ask(`${HOSTS}/join`, { method: 'POST', key: null, body: question })
    assert.equal(joined.status, 201, joined.text)
    return textAt(joined.json, 'data', 'id')
  }
  const list = async (key: string) => machineRecord.array().parse(at((await ask(HOSTS, key)).json, 'data'))

  await until('the follower to know the key', async () => (await eu1.ask(HOSTS, { key: home.key })).status === 200)
  // Whoever names no region means the home, as with everything that makes no sandbox.
  const far = await join('eu1', 'eu')
  const near = await join('usw1')
  await until('both to be ready', async () => (await list(home.key)).every(({ state }) => state === 'ready'))
  assert.deepEqual(
    (await list(home.key)).map(({ id, region }) => [id, region]),
    [
      [near, 'usw1'],
      [far, 'eu1'],
    ],
  )
  assert.deepEqual(at((await ask(HOSTS, home.key, { region: 'eu' })).json, 'data', 'length'), 1)

  for (const [verb, state] of [
    ['cordon', 'cordoned'],
    ['uncordon', 'ready'],
    ['drain', 'drained'],
  ]) {
    const ordered = await ask(`${HOSTS}/${far}/${verb}`, home.key, { method: 'POST' })
    assert.deepEqual([ordered.status, textAt(ordered.json, 'data', 'state')], [200, state], ordered.text)
    assert.equal(ordered.headers.get('x-region'), 'eu1')
  }
  const astray = await ask(`${HOSTS}/${far}`, home.key, { region: 'us-west' })
  assert.deepEqual([astray.status, textAt(astray.json, 'error', 'code')], [400, 'region_mismatch'])

  const reader = await ask('/v1/api-keys', home.key, { method: 'POST', body: { scopes: ['hosts:read'] } })
  const readersKey = textAt(reader.json, 'data', 'key')
  assert.equal((await list(readersKey)).length, 2)
  const refused = await ask(`${HOSTS}/${far}`, readersKey, { method: 'DELETE' })
  assert.deepEqual([refused.status, at(refused.json, 'error', 'details', 'scope')], [403, 'hosts:write'])
  const stranger = await home.newKey()
  await until('the edge to know the stranger', async () => (await ask(HOSTS, stranger.key)).status === 200)
  assert.deepEqual(await list(stranger.key), [])
  const unseen = await ask(`${HOSTS}/${near}`, stranger.key)
  assert.deepEqual([unseen.status, textAt(unseen.json, 'error', 'code')], [404, 'host_not_found'])

  assert.equal((await ask(`${HOSTS}/${far}`, home.key, { method: 'DELETE' })).status, 204)
  assert.equal((await ask(`${HOSTS}/${far}`, home.key)).status, 404)
  assert.deepEqual(
    (await list(home.key)).map(({ id }) => id),
    [near],
  )
})
