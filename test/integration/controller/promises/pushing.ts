/** What the home region tells the edge: everything, in order, until it is told, and nothing old after something new. */
import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import { sql } from 'drizzle-orm'
import { pushToEdge } from '../../../../origin/controller/accounts/push-to-edge.ts'
import { withAccountWrite } from '../../../../origin/controller/accounts/write-account.ts'
import { type KeyRecord, SCOPES, type Tiers } from '../../../../shared/accounts.ts'
import { EDGE_RECORDS_PATH, edgeRecords } from '../../../../shared/contracts/account-feed.ts'
import type { TestServer } from '../support/databases.ts'
import { INTERNAL, startRegion, type TestRegion, textAt, until } from '../support/region.ts'

export function pushingPromises(_regionOf: () => TestRegion, server: () => TestServer): void {
  const kv = new Map<string, KeyRecord>()
  let tiers: Tiers | undefined
  let answers: number[] = []
  let hold: Promise<unknown> = Promise.resolve()
  let largest = 0
  let edge: Server | undefined
  let home: TestRegion | undefined

  before(async () => {
    edge = createServer(async (request, response) => {
      const chunks: Buffer[] = []
      for await (const chunk of request) chunks.push(chunk)
      await hold
      const status = answers.shift() ?? 204
      if (status === 204) {
        assert.deepEqual([request.url, request.headers.authorization], [EDGE_RECORDS_PATH, `Bearer ${INTERNAL}`])
        const told = edgeRecords.parse(JSON.parse(Buffer.concat(chunks).toString()))
        largest = Math.max(largest, told.keys.length)
        for (const { hash, record } of told.keys) kv.set(hash, record)
        tiers = told.tiers ?? tiers
      }
      response.writeHead(status).end()
    })
    await new Promise<void>((resolve) => edge?.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(edge.address() as AddressInfo).port}`
    home = await startRegion(await server().createDatabase(), { env: { ATOLL_EDGE_URL: url } })
  })
  after(async () => {
    await home?.close()
    edge?.closeAllConnections()
    edge?.close()
  })
  const region = (): TestRegion => home ?? assert.fail('The home did not start.')
  const recordOf = (key: string) => kv.get(region().running.controller.accounts.secrets.hashKey(key))
  const make = async () => {
    const answer = await region().ask('/v1/api-keys', { method: 'POST', body: { scopes: [...SCOPES], pin: 'eu1' } })
    return { id: textAt(answer.json, 'data', 'id'), key: textAt(answer.json, 'data', 'key') }
  }
  const revoke = (id: string) => region().ask(`/v1/api-keys/${id}`, { method: 'DELETE' })
  const untilStatus = (key: string, status: string) =>
    until(`the edge to hold the key as ${status}`, () => recordOf(key)?.status === status)

  test('keys and tiers are told as they are, and no answer waits for it', async () => {
    const gate = Promise.withResolvers<void>()
    hold = gate.promise
    const { id, key } = await make()
    assert.equal(recordOf(key), undefined)
    gate.resolve()
    await untilStatus(key, 'active')
    const record = recordOf(key)
    assert.deepEqual([record?.id, record?.pin, record?.keyVersion, record?.expires], [id, 'eu1', 1, null])
    await until('the tiers', () => tiers?.scale !== undefined)
    await revoke(id)
    await untilStatus(key, 'revoked')
  })

  test('an edge that fails is told again, and ends with what is true', async () => {
    answers = [500, 429]
    const { id, key } = await make()
    await revoke(id)
    await untilStatus(key, 'revoked')
  })

  test('a rotated key is two records, and revoking it ends both', async () => {
    const { id, key } = await make()
    const rotated = await region().ask(`/v1/api-keys/${id}/rotate`, { method: 'POST', body: { grace_sec: 600 } })
    const second = textAt(rotated.json, 'data', 'key')
    await untilStatus(second, 'active')
    await until('the end of the first secret', () => (recordOf(key)?.expires ?? 0) > Date.now())
    assert.deepEqual([recordOf(key)?.keyVersion, recordOf(second)?.keyVersion], [1, 2])
    await revoke(id)
    await untilStatus(key, 'revoked')
    await untilStatus(second, 'revoked')
  })

  // KV has no compare-and-set: whoever was slow must not have the last word.
  test('two controllers that tell at the same time leave the edge with what is true', async () => {
    const { id, key } = await make()
    await untilStatus(key, 'active')
    const { controller } = region().running
    const url = controller.accounts.edgeUrl ?? assert.fail()
    for (let n = 0; n < 5; n++) {
      const made = await make()
      await Promise.all([
        pushToEdge(controller, url, AbortSignal.timeout(60_000)),
        revoke(made.id),
        pushToEdge(controller, url, AbortSignal.timeout(60_000)),
      ])
      await untilStatus(made.key, 'revoked')
    }
    await revoke(id)
    await untilStatus(key, 'revoked')
  })

  test('a change of very many keys is told in portions that the edge can take', async () => {
    await withAccountWrite(region().running.controller.database.db, (tx, version) =>
      tx.execute(sql`
        insert into api_key (id, hash, tenant, tier, scopes, status, key_version, version)
          select 'key_pile_' || n, md5(n::text) || md5(n::text), tenant, 'free', '{}', 'active', 1, ${version}
          from generate_series(1, 130) n, (select tenant from api_key limit 1) t`),
    )
    await until('all of them', () => [...kv.values()].filter(({ id }) => id.startsWith('key_pile_')).length === 130)
    assert.ok(largest <= 40, `${largest} at once`)
  })
}
