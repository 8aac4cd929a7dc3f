/** A secret is with the host that its sandbox is on, and nowhere else: not in the sandbox, in no answer, in no log, and sealed where it is kept. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { EGRESS_SECRET_ROUTES } from '../../../../shared/contracts/egress-secrets.ts'
import { LIMITS } from '../../../../shared/limits.ts'
import { type Account, type Answer, at, type TestRegion, textAt, until } from '../support/region.ts'

export function egressSecretPromises(regionOf: () => TestRegion): void {
  const answers: string[] = []
  const ask = async ({ key }: Account, method: string, path: string, body?: object): Promise<Answer> => {
    const answer = await regionOf().ask(path, { method, key, ...(body === undefined ? {} : { body }) })
    answers.push(answer.text)
    return answer
  }
  const done = async (answer: Promise<Answer>): Promise<Answer> => {
    const got = await answer
    assert.ok(got.status < 300, `${got.status}: ${got.text}`)
    return got
  }
  const create = async (tenant: Account, body: object = {}): Promise<string> =>
    textAt((await done(ask(tenant, 'POST', '/v1/sandboxes', body))).json, 'data', 'id')
  const keep = async (tenant: Account, body: object = {}) => {
    const value = `sk-${randomUUID()}`
    const answer = await done(
      ask(tenant, 'POST', '/v1/egress/secrets', { name: 'OPENAI', value, expose_as_env: 'OPENAI_API_KEY', ...body }),
    )
    return { value, ...EGRESS_SECRET_ROUTES.createSecret.answer.parse(answer.json).data }
  }
  const exposedIn = (id: string) => regionOf().host.egress.get(id)?.policy?.env ?? {}
  const secretsOf = (id: string) => regionOf().host.egress.get(id)?.policy?.secrets ?? []

  test('a sandbox has a placeholder in its environment, and its host the value for the hosts of the secret', async () => {
    const tenant = await regionOf().newKey()
    const { value, hosts, masked_value } = await keep(tenant)
    assert.deepEqual(hosts, ['api.openai.com'])
    assert.match(masked_value, /^sk-…[0-9a-f]$/)
    const id = await create(tenant, { env: { MINE: '1' } })
    const { OPENAI_API_KEY: placeholder = '', MINE } = regionOf().host.envs.get(id) ?? {}
    assert.equal(MINE, '1')
    assert.match(placeholder, /^atoll_secret_[0-9a-f]{48}$/)
    assert.deepEqual(secretsOf(id), [{ placeholder, value, hosts }])
    const own = await create(tenant, { env: { OPENAI_API_KEY: 'mine' } })
    assert.equal(regionOf().host.envs.get(own)?.OPENAI_API_KEY, 'mine')
  })

  // Whoever gives each sandbox a secret of its own could make no more of them after some hundreds.
  test('what was kept for sandboxes that have ended makes room for what is new, and what their children have stays', async () => {
    const tenant = await regionOf().newKey()
    const [parent, ending, living] = [await create(tenant), await create(tenant), await create(tenant)]
    const of = (name: string, resource_id: string) =>
      keep(tenant, { name, resource_id, resource_type: 'sandbox', hosts: ['a.io'], expose_as_env: name })
    const [carried, over, own] = [await of('CARRIED', parent), await of('OVER', ending), await of('OWN', living)]
    const child = textAt((await done(ask(tenant, 'POST', `/v1/sandboxes/${parent}/fork`, {}))).json, 'data', 'id')
    await regionOf().sql(
      `insert into egress_secret select (jsonb_populate_record(s, jsonb_build_object('id', s.id || n, 'name', 'n' || n))).*
       from egress_secret s, generate_series(1, $2) n where s.id = $1`,
      [over.id, LIMITS.egressSecretsPerTenantMax - 3],
    )
    const fresh = { name: 'FRESH', value: 'v'.repeat(20), hosts: ['b.io'] }
    assert.equal((await ask(tenant, 'POST', '/v1/egress/secrets', fresh)).status, 409)
    for (const id of [parent, ending]) await done(ask(tenant, 'DELETE', `/v1/sandboxes/${id}`))
    await done(ask(tenant, 'POST', '/v1/egress/secrets', fresh))
    const statusOf = async (id: string) => (await ask(tenant, 'GET', `/v1/egress/secrets/${id}`)).status
    assert.deepEqual([await statusOf(carried.id), await statusOf(over.id), await statusOf(own.id)], [200, 404, 200])
    assert.equal(exposedIn(child).CARRIED !== undefined && secretsOf(child)[0]?.value, carried.value)
    const left = await regionOf().sql(
      `select from egress_secret where tenant = $1 and deleted_at is not null and value <> ''`,
      [tenant.tenant],
    )
    assert.equal(left.length, 0)
  })

  test('a new value, an end and a removal reach what runs, and what is paused', async () => {
    const tenant = await regionOf().newKey()
    const secret = await keep(tenant, { hosts: ['a.io'] })
    const ids = [await create(tenant), await create(tenant)]
    await done(ask(tenant, 'POST', `/v1/sandboxes/${ids[1]}/pause`, {}))
    const path = `/v1/egress/secrets/${secret.id}`
    const fresh = `new-${randomUUID()}`
    await done(ask(tenant, 'PATCH', path, { value: fresh, hosts: ['b.io'] }))
    for (const id of ids)
      await until('the new value', () => secretsOf(id)[0]?.value === fresh && secretsOf(id)[0]?.hosts[0] === 'b.io')
    await done(ask(tenant, 'PATCH', path, { expires_at: new Date(Date.now() - 1_000).toISOString() }))
    for (const id of ids) await until('it to have expired', () => secretsOf(id).length === 0)
    await until(
      'its record to say so',
      async () => at((await ask(tenant, 'GET', path)).json, 'data', 'status') === 'expired',
    )
    await done(ask(tenant, 'PATCH', path, { value: fresh, expires_at: null }))
    for (const id of ids) await until('it to be good again', () => secretsOf(id).length === 1)
    await done(ask(tenant, 'DELETE', path))
    for (const id of ids) await until('it to be gone', () => secretsOf(id).length === 0)
    assert.equal((await ask(tenant, 'GET', path)).status, 404)
    const [row] = await regionOf().sql<{ value: string }>('select value from egress_secret where id = $1', [secret.id])
    assert.equal(row?.value, '')
  })

  test('the same name for the same owner is one secret, and another owner has another one', async () => {
    const tenant = await regionOf().newKey()
    const [first, again] = [await keep(tenant), await keep(tenant)]
    const user = await keep(tenant, { external_user_id: 'u1' })
    assert.equal(first.id, again.id)
    assert.notEqual(user.id, first.id)
    const id = await create(tenant)
    assert.deepEqual(
      secretsOf(id).map(({ value }) => value),
      [again.value],
    )
    const theirs = await create(tenant, { external_user_id: 'u1' })
    assert.deepEqual(
      secretsOf(theirs).map(({ value }) => value),
      [user.value],
    )
    const listed = await done(ask(tenant, 'GET', '/v1/egress/secrets?external_user_id=u1'))
    assert.deepEqual(
      (at(listed.json, 'data') as object[]).map((row) => at(row, 'id')),
      [user.id],
    )
  })

  test("a secret that is for one user is another sandbox's by a binding, until that is taken away", async () => {
    const tenant = await regionOf().newKey()
    const secret = await keep(tenant, { external_user_id: 'u1' })
    const id = await create(tenant)
    assert.deepEqual(secretsOf(id), [])
    const binding = await done(
      ask(tenant, 'POST', '/v1/egress/bindings', {
        ...{ secret_id: secret.id, resource_id: id, resource_type: 'sandbox' },
        expose_as_env: 'BOUND_KEY',
      }),
    )
    assert.deepEqual(
      secretsOf(id).map(({ value }) => value),
      [secret.value],
    )
    // It was made before, so nothing but this says where its processes find the placeholder.
    assert.deepEqual(exposedIn(id), { BOUND_KEY: secretsOf(id)[0]?.placeholder })
    const own = await keep(tenant, { name: 'own', resource_id: id, expose_as_env: 'OWN_KEY' })
    assert.deepEqual(Object.keys(exposedIn(id)).sort(), ['BOUND_KEY', 'OWN_KEY'])
    await done(ask(tenant, 'PATCH', `/v1/egress/secrets/${own.id}`, { expose_as_env: 'RENAMED' }))
    assert.deepEqual(Object.keys(exposedIn(id)).sort(), ['BOUND_KEY', 'RENAMED'])
    await done(ask(tenant, 'DELETE', `/v1/egress/secrets/${own.id}`))
    const child = textAt((await done(ask(tenant, 'POST', `/v1/sandboxes/${id}/fork`, {}))).json, 'data', 'id')
    assert.deepEqual(
      secretsOf(child).map(({ value }) => value),
      [secret.value],
    )
    await done(ask(tenant, 'DELETE', `/v1/egress/bindings/${textAt(binding.json, 'data', 'id')}`))
    assert.deepEqual(secretsOf(id), [])
    assert.deepEqual(exposedIn(id), {})
    const unknown = { secret_id: 'esec_none', resource_id: id }
    assert.equal((await ask(tenant, 'POST', '/v1/egress/bindings', unknown)).status, 404)
  })

  // A secret that anybody may be sent is no secret.
  test('a secret without hosts goes nowhere, and one for every host is refused', async () => {
    const tenant = await regionOf().newKey()
    const secret = await keep(tenant, { name: 'x', expose_as_env: 'SOME_KEY' })
    assert.deepEqual(secret.hosts, [])
    const id = await create(tenant)
    assert.match(regionOf().host.envs.get(id)?.SOME_KEY ?? '', /^atoll_secret_/)
    assert.deepEqual(secretsOf(id), [])
    assert.deepEqual((await keep(tenant, { name: 'y', metadata: { hosts: ['B.io'] } })).hosts, ['b.io'])
    for (const body of [
      { hosts: ['*'] },
      { metadata: { hosts: ['*'] } },
      { value: 'hush\nhush' },
      { value: '' },
      { refresh_token: 'x' },
      { expose_as_env: 'A-B' },
    ]) {
      const refused = await ask(tenant, 'POST', '/v1/egress/secrets', { name: 'z', value: 'v', ...body })
      assert.equal(refused.status, 422, refused.text)
      assert.ok(!refused.text.includes('hush'), refused.text)
    }
  })

  test('nobody is connected by OAuth, and whoever tries is told what to do', async () => {
    const tenant = await regionOf().newKey()
    assert.deepEqual(at((await done(ask(tenant, 'GET', '/v1/egress/oauth/providers'))).json, 'data'), [])
    const start = await ask(tenant, 'POST', '/v1/egress/oauth/start', { provider: 'github' })
    assert.deepEqual([start.status, at(start.json, 'error', 'code')], [422, 'not_supported'])
    const status = await done(ask(tenant, 'GET', '/v1/egress/oauth/status?state=x'))
    assert.equal(at(status.json, 'data', 'status'), 'failed')
  })

  test('no value was in any answer or log, and none stands in the database as it is', async () => {
    const tenant = await regionOf().newKey()
    const { value } = await keep(tenant)
    const id = await create(tenant)
    assert.equal(secretsOf(id)[0]?.value, value)
    await done(ask(tenant, 'GET', `/v1/sandboxes/${id}/history`))
    await done(ask(tenant, 'GET', '/v1/egress/secrets'))
    const values = [...regionOf().host.egress.values()]
      .flatMap(({ policy }) => policy?.secrets ?? [])
      .map((one) => one.value)
    assert.ok(values.includes(value))
    const said = [...answers, JSON.stringify(regionOf().logs)].join('\n')
    for (const one of values) assert.ok(!said.includes(one))
    const tables = await regionOf().sql<{ name: string }>(
      `select tablename as name from pg_tables where schemaname = 'public'`,
    )
    for (const { name } of tables) {
      const rows = await regionOf().sql<{ row: string }>(`select to_jsonb(t)::text as row from "${name}" t`)
      for (const { row } of rows) assert.ok(!values.some((one) => row.includes(one)), `${name} has a value`)
    }
  })
}
