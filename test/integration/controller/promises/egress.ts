/** A sandbox goes where it was let, from its first moment, and nowhere else from the moment that it is said, wherever its host was meanwhile. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { readPlace } from '../../../../origin/controller/accounts/places.ts'
import { lastChange } from '../../../../origin/controller/egress/find-stale.ts'
import { createSettling } from '../../../../origin/controller/egress/keep-settled.ts'
import { SCOPES } from '../../../../shared/accounts.ts'
import { EGRESS_ROUTES } from '../../../../shared/contracts/egress.ts'
import { LIMITS } from '../../../../shared/limits.ts'
import type { TestServer } from '../support/databases.ts'
import { type Account, type Answer, at, startRegion, type TestRegion, textAt, until } from '../support/region.ts'
import { keyOfUser } from '../support/user-key.ts'

export function egressPromises(regionOf: () => TestRegion, server: () => TestServer): void {
  const newTenant = () => regionOf().newKey()
  const ask = (key: string, method: string, path: string, body?: object, region = regionOf()): Promise<Answer> =>
    region.ask(path, { method, key, ...(body === undefined ? {} : { body }) })
  const done = async (answer: Promise<Answer>): Promise<Answer> => {
    const got = await answer
    assert.ok(got.status < 300, `${got.status}: ${got.text}`)
    return got
  }
  const create = async ({ key }: Account, body: object = {}): Promise<string> =>
    textAt((await done(ask(key, 'POST', '/v1/sandboxes', body))).json, 'data', 'id')
  const allow = ({ key }: Account, host: string, over: object = {}) =>
    done(ask(key, 'POST', '/v1/egress/allowlist', { host, effect: 'allow', ...over }))
  const inForce = (id: string) => regionOf().host.egress.get(id)?.policy ?? null
  const hostsOf = (id: string, effect = 'allow'): string[] =>
    (inForce(id)?.rules ?? []).filter((rule) => rule.effect === effect).map(({ host }) => host)
  const untilAllowed = (id: string, ...hosts: string[]) =>
    until(`${id} to go to ${hosts}`, () => JSON.stringify(hostsOf(id).sort()) === JSON.stringify(hosts.sort()))

  test('a sandbox has no way out unless somebody said so, and no host is asked about it', async () => {
    const tenant = await newTenant()
    const id = await create(tenant)
    assert.equal(regionOf().host.egress.has(id), false)
    assert.ok(!regionOf().host.egressSaid.some((said) => said.startsWith(id)))
  })

  test('what it was made with is in force from its first moment, told in the call that makes it', async () => {
    const tenant = await newTenant()
    await allow(tenant, 'tenant.example')
    const egress = { allow: ['API.Example.com.', '*.pypi.org'], deny: ['bad.pypi.org'] }
    const id = await create(tenant, { egress })
    assert.deepEqual(
      hostsOf(id),
      ['tenant.example', 'api.example.com', '*.pypi.org'].sort(
        (a, b) => hostsOf(id).indexOf(a) - hostsOf(id).indexOf(b),
      ),
    )
    assert.deepEqual(hostsOf(id, 'deny'), ['bad.pypi.org'])
    assert.equal(inForce(id)?.default_effect, 'deny')
    assert.ok(!regionOf().host.egressSaid.some((said) => said.startsWith(id)))
    const run = await done(ask(tenant.key, 'POST', '/v1/sandboxes/run', { command: 'echo 1', egress: true }))
    assert.equal(inForce(textAt(run.json, 'data', 'id'))?.default_effect, 'allow')
    assert.equal(inForce(await create(tenant, { egress: false })), null)
    const podflare = await done(ask(tenant.key, 'POST', '/podflare/v1/sandboxes', { egress: false }))
    assert.equal(inForce(textAt(podflare.json, 'id')), null)
  })

  // Whoever may only make sandboxes must not be able to let them out.
  test('only a key with the scope for it lets a sandbox out that it makes', async () => {
    const { tenant } = await newTenant()
    const { key } = await regionOf().newKey({ tenant, scopes: SCOPES.filter((scope) => scope !== 'egress:write') })
    for (const egress of [true, { allow: ['a.io'] }, { default_effect: 'allow' }])
      for (const path of ['/v1/sandboxes', '/podflare/v1/sandboxes'].slice(0, egress === true ? 2 : 1)) {
        const refused = await ask(key, 'POST', path, { egress })
        assert.deepEqual([refused.status, /insufficient_scope|scope/.test(refused.text)], [403, true], refused.text)
      }
    for (const egress of [false, { deny: ['a.io'] }])
      assert.equal((await ask(key, 'POST', '/v1/sandboxes', { egress })).status, 201)
  })

  test('a rule for one sandbox is in force when its answer comes, and out of force when its end is answered', async () => {
    const tenant = await newTenant()
    const [id, other] = [await create(tenant), await create(tenant)]
    const rule = await allow(tenant, 'API.example.com', {
      resource_id: id,
      methods: ['get'],
      path_glob: '/v1/**',
      ports: [8443],
      note: 'mine',
    })
    const { data } = EGRESS_ROUTES.createRule.answer.parse(rule.json)
    assert.deepEqual(inForce(id)?.rules, [
      { id: data.id, host: 'api.example.com', effect: 'allow', methods: ['GET'], path_glob: '/v1/**', ports: [8443] },
    ])
    assert.equal(inForce(other), null)
    const listed = await done(ask(tenant.key, 'GET', `/v1/egress/allowlist?resource_id=${id}`))
    assert.deepEqual(EGRESS_ROUTES.listRules.answer.parse(listed.json).data, [data])
    await done(ask(tenant.key, 'DELETE', `/v1/egress/allowlist/${data.id}`))
    assert.equal(inForce(id), null)
    assert.equal((await ask(tenant.key, 'DELETE', `/v1/egress/allowlist/${data.id}`)).status, 404)
  })

  test('a rule for all reaches all that run or are paused, and nobody of another tenant', async () => {
    const [tenant, stranger] = [await newTenant(), await newTenant()]
    const ids = await Promise.all(Array.from({ length: 12 }, () => create(tenant)))
    const [paused = ''] = ids
    await done(ask(tenant.key, 'POST', `/v1/sandboxes/${paused}/pause`, {}))
    const theirs = await create(stranger)
    await allow(tenant, 'all.example')
    for (const id of ids) await untilAllowed(id, 'all.example')
    assert.equal(inForce(theirs), null)
  })

  test('lockdown closes and observe opens, for one sandbox or for all, also where there was no policy', async () => {
    const tenant = await newTenant()
    const id = await create(tenant, { egress: true })
    const patch = (body: object) => done(ask(tenant.key, 'PATCH', '/v1/egress/policies', body))
    const { data } = EGRESS_ROUTES.updateOnePolicy.answer.parse(
      (await patch({ mode: 'enforce', resource_id: id, resource_type: 'sandbox' })).json,
    )
    assert.deepEqual([inForce(id)?.mode, inForce(id)?.default_effect], ['enforce', 'deny'])
    await patch({ mode: 'audit_only', resource_id: id })
    assert.equal(inForce(id)?.mode, 'audit_only')
    await done(ask(tenant.key, 'PATCH', `/v1/egress/policies/${data.id}`, { default_effect: 'allow', mode: 'enforce' }))
    assert.equal(inForce(id)?.default_effect, 'allow')
    await done(ask(tenant.key, 'DELETE', `/v1/egress/policies/${data.id}`))
    await done(ask(tenant.key, 'POST', '/v1/egress/policies', { name: 'all', mode: 'audit_only' }))
    await until('all to be observed', () => inForce(id)?.mode === 'audit_only')
    const all = await done(ask(tenant.key, 'GET', '/v1/egress/policies'))
    assert.deepEqual(
      EGRESS_ROUTES.listPolicies.answer.parse(all.json).data.map(({ name }) => name),
      ['all'],
    )
  })

  test('a rule that is a part of a policy is for whom that is for, and ends with it', async () => {
    const tenant = await newTenant()
    const id = await create(tenant)
    const policy = await done(ask(tenant.key, 'POST', '/v1/egress/policies', { name: 'p', resource_id: id }))
    const policy_id = textAt(policy.json, 'data', 'id')
    const rule = await allow(tenant, 'in.example', { policy_id })
    assert.equal(at(rule.json, 'data', 'resource_id'), id)
    assert.deepEqual(hostsOf(id), ['in.example'])
    const beside = await allow(tenant, 'beside.example', { resource_id: id })
    const ofPolicy = await done(ask(tenant.key, 'GET', `/v1/egress/allowlist?policy_id=${policy_id}`))
    assert.deepEqual(at(ofPolicy.json, 'data'), [at(rule.json, 'data')])
    await done(ask(tenant.key, 'DELETE', `/v1/egress/allowlist/${textAt(beside.json, 'data', 'id')}`))
    assert.equal(
      (await ask(tenant.key, 'POST', '/v1/egress/allowlist', { host: 'a.io', effect: 'allow', policy_id: 'x' })).status,
      404,
    )
    await done(ask(tenant.key, 'DELETE', `/v1/egress/policies/${policy_id}`))
    assert.equal(inForce(id), null)
    assert.deepEqual(at((await ask(tenant.key, 'GET', '/v1/egress/allowlist')).json, 'data'), [])
  })

  // A host that was away would let a sandbox out where it was forbidden meanwhile.
  test('a host that was away, or was told by nobody, goes by the last word soon after it is back', async () => {
    const tenant = await newTenant()
    const { host } = regionOf()
    const id = await create(tenant, { egress: { allow: ['a.io'] } })
    await host.away()
    try {
      const rule = { host: 'a.io', effect: 'deny', resource_id: id, methods: ['POST'] }
      await done(ask(tenant.key, 'POST', '/v1/egress/allowlist', rule))
    } finally {
      await host.back()
    }
    await until('the host to hear of it', () => hostsOf(id, 'deny').length === 1)
    // As after a restart from an older state.
    host.egress.set(id, { revision: 1, policy: null })
    const vm = host.vms.get(id)
    if (vm !== undefined) vm.egress_revision = 1
    await until('the host to hear of it again', () => hostsOf(id, 'deny').length === 1)
    // As after the database was restored from a backup.
    await regionOf().sql('update sandbox set egress_revision = null, egress_mark = null where id = $1', [id])
    await allow(tenant, 'b.io', { resource_id: id })
    await until('the host to go by the newer word', () => hostsOf(id).includes('b.io'))
  })

  // A lockdown that counts as carried out while sandboxes still go by what was said before it would never reach them.
  test('a change counts as carried to all only when all go by it, however few a turn takes', async () => {
    const tenant = await newTenant()
    const ids = await Promise.all(Array.from({ length: 9 }, () => create(tenant)))
    // Those that are paused are told by turns alone.
    await Promise.all(ids.map((id) => done(ask(tenant.key, 'POST', `/v1/sandboxes/${id}/pause`, {}))))
    const { controller } = regionOf().running
    const { db } = controller.database
    await allow(tenant, 'turns.example')
    const change = await lastChange(db)
    let nowMs = controller.clock()
    const settle = createSettling({ ...controller, clock: () => nowMs }, 2)
    await until('the change to count as carried to all', async () => {
      nowMs += LIMITS.egressSettleLagMs
      await settle()
      return (await readPlace(db, 'egress')) >= change
    })
    for (const id of ids) assert.deepEqual(hostsOf(id), ['turns.example'])
  })

  test('many who change the rules of one sandbox at once leave it with all of them', async () => {
    const tenant = await newTenant()
    const id = await create(tenant)
    const hosts = Array.from({ length: 10 }, (_, index) => `h${index}.example`)
    await Promise.all(hosts.map((host) => allow(tenant, host, { resource_id: id })))
    await untilAllowed(id, ...hosts)
  })

  test('what is forked, or made of a snapshot, goes where its sandbox could, and by its own rules from then on', async () => {
    const tenant = await newTenant()
    const parent = await create(tenant, { egress: { allow: ['made.example'] } })
    const rule = await allow(tenant, 'said.example', { resource_id: parent })
    const child = textAt((await done(ask(tenant.key, 'POST', `/v1/sandboxes/${parent}/fork`, {}))).json, 'data', 'id')
    assert.deepEqual(hostsOf(child).sort(), ['made.example', 'said.example'])
    const snapshot = await done(ask(tenant.key, 'POST', `/v1/sandboxes/${parent}/snapshots`, {}))
    await done(ask(tenant.key, 'DELETE', `/v1/egress/allowlist/${textAt(rule.json, 'data', 'id')}`))
    await untilAllowed(parent, 'made.example')
    const branch = await create(tenant, { snapshot_id: textAt(snapshot.json, 'data', 'id') })
    assert.deepEqual(hostsOf(branch).sort(), ['made.example', 'said.example'])
    await allow(tenant, 'new.example', { resource_id: child, effect: 'deny' })
    assert.deepEqual(hostsOf(child, 'deny'), ['new.example'])
    assert.deepEqual(hostsOf(branch, 'deny'), [])
    const grandchild = await done(ask(tenant.key, 'POST', `/v1/sandboxes/${child}/fork`, { count: 2 }))
    for (const one of at(grandchild.json, 'data') as object[])
      assert.deepEqual(hostsOf(textAt(one, 'id'), 'deny'), ['new.example'])
  })

  test('only whoever speaks for the whole tenant says where its sandboxes may go', async () => {
    const { key, tenant } = await newTenant()
    const user = await keyOfUser(regionOf(), tenant, 'u1')
    for (const path of ['policies', 'allowlist', 'secrets', 'bindings']) {
      const refused = await ask(user, 'GET', `/v1/egress/${path}`)
      assert.deepEqual([refused.status, at(refused.json, 'error', 'code')], [403, 'owner_key_required'])
    }
    assert.equal((await ask(user, 'PATCH', '/v1/egress/policies', { mode: 'audit_only' })).status, 403)
    assert.deepEqual(at((await ask(key, 'GET', '/v1/egress/policies')).json, 'data'), [])
  })

  test('what is no host, no method, no port and no sandbox is refused by name', async () => {
    const { key } = await newTenant()
    const wrong: [object, string][] = [
      [{ host: 'https://a.io', effect: 'allow' }, 'host'],
      [{ host: 'a.io:443', effect: 'maybe' }, 'effect'],
      [{ host: 'a.*.io', effect: 'allow' }, 'host'],
      [{ host: 'bücher.example', effect: 'allow' }, 'host'],
      [{ host: `${'a'.repeat(300)}.io`, effect: 'allow' }, 'host'],
      [{ host: 'a.io', effect: 'allow', ports: [25] }, 'ports'],
      [{ host: 'a.io', effect: 'allow', methods: ['G T'] }, 'methods'],
      [{ host: 'a.io', effect: 'allow', path_glob: 'v1' }, 'path_glob'],
      [{ host: 'a.io', effect: 'allow', resource_id: 'sbx_1' }, 'resource_id'],
    ]
    for (const [body, field] of wrong) {
      const refused = await ask(key, 'POST', '/v1/egress/allowlist', body)
      assert.equal(refused.status, 422, JSON.stringify(body))
      assert.match(refused.text, new RegExp(`"${field}`))
    }
    const nobodys = { host: 'a.io', effect: 'allow', resource_id: await create(await newTenant()) }
    const refused = await ask(key, 'POST', '/v1/egress/allowlist', nobodys)
    assert.deepEqual([refused.status, at(refused.json, 'error', 'code')], [404, 'sandbox_not_found'])
  })

  test('lists go on from their cursor, and refuse one that is none of theirs', async () => {
    const tenant = await newTenant()
    for (let n = 0; n < 5; n++) await allow(tenant, `h${n}.example`)
    const seen: unknown[] = []
    let cursor: unknown = null
    do {
      const search = cursor === null ? '' : `&cursor=${cursor}`
      const page = await done(ask(tenant.key, 'GET', `/v1/egress/allowlist?limit=2${search}`))
      seen.push(...(at(page.json, 'data') as object[]).map((row) => at(row, 'host')))
      cursor = at(page.json, 'next_cursor')
    } while (cursor !== null)
    assert.deepEqual(
      seen.sort(),
      Array.from({ length: 5 }, (_, n) => `h${n}.example`),
    )
    assert.equal((await ask(tenant.key, 'GET', '/v1/egress/allowlist?cursor=erul_none')).status, 422)
  })

  test('a region that follows another one goes by what was said at home, within seconds', async () => {
    const home = regionOf()
    const env = { ATOLL_REGION_NAME: 'eu', ATOLL_HOME_URL: home.url }
    const follower = await startRegion(await server().createDatabase(), { code: 'eu1', env })
    try {
      const tenant = await newTenant()
      await allow(tenant, `${randomUUID()}.example`)
      const made = await ask(tenant.key, 'POST', '/v1/api-keys', { scopes: [...SCOPES] })
      const key = textAt(made.json, 'data', 'key')
      const isKnown = async () => (await ask(key, 'GET', '/v1/sandboxes', undefined, follower)).status === 200
      await until('the key to be known there', isKnown)
      const id = textAt((await done(ask(key, 'POST', '/v1/sandboxes', {}, follower))).json, 'data', 'id')
      assert.equal(follower.host.egress.get(id)?.policy?.rules.length, 1)
      await allow(tenant, 'later.example', { resource_id: id })
      await until('the follower to tell its host', () => follower.host.egress.get(id)?.policy?.rules.length === 2)
      const refused = await ask(key, 'POST', '/v1/egress/allowlist', { host: 'a.io', effect: 'allow' }, follower)
      assert.equal(refused.status, 421)
    } finally {
      await follower.close()
    }
  })
}
