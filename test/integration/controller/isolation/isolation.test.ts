/**
 * A matrix of every route and of everybody who must not get in: what one tenant has leaves no trace in what another can ask, nor what
 * one end user has for another one's key. A route is in here as soon as it is in the contracts.
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { SCOPES } from '../../../../shared/accounts.ts'
import { ALL_ROUTES } from '../../../../shared/contracts/all-routes.ts'
import type { Route } from '../../../../shared/contracts/route.ts'
import { newApiKey } from '../../../../shared/ids.ts'
import { embedded, type TestServer } from '../support/databases.ts'
import { startRegion, type TestRegion, textAt } from '../support/region.ts'
import { type WholeAgent, wholeAgent } from '../support/whole-agent.ts'
import { askRoute, type Heard, nameOf } from './ask-route.ts'
import { neverMade, type Planted, plant, type Things } from './plant.ts'

const KEPT = ALL_ROUTES.filter(({ class: kind }) => kind !== 'open')

describe('what a tenant has', { timeout: 600_000 }, () => {
  let server: TestServer
  let region: TestRegion
  let planted: Planted
  let agent: WholeAgent
  let kept: string
  before(async () => {
    server = await embedded.open()
    region = await startRegion(await server.createDatabase())
    agent = await wholeAgent()
    region.host.agent = agent.answer
    planted = await plant(region)
    kept = await everythingOf(region, planted)
  })
  after(async () => {
    await region?.close()
    await agent?.remove()
    await server?.remove()
  })

  /** Nothing of what was planted but what this request has said itself. The name of an end user is everybody's to give. */
  const requireNoTrace = (route: Route, heard: Heard[]): void => {
    const { externalUser: _, ...things } = planted.things
    for (const { said, text } of heard)
      for (const trace of [planted.word, ...Object.values(things)])
        assert.ok(said.includes(trace) || !text.includes(trace), `${nameOf(route)} tells of ${trace}: ${text}`)
  }
  const asIfNeverMade = async (route: Route, key: string, things: Things = planted.things): Promise<void> => {
    const never = {
      ...neverMade(planted.things),
      ...(things === planted.things ? {} : { workspace: things.workspace }),
    }
    const said = ({ status, code }: Heard) => ({ status, code })
    const theirs = await askRoute(region, route, things, key)
    const nobodys = await askRoute(region, route, never, key)
    assert.deepEqual(theirs.map(said), nobodys.map(said), `${nameOf(route)}: ${theirs.map(({ text }) => text)}`)
    requireNoTrace(route, theirs)
  }

  test('is for every other tenant as if it had never been made, by every route', async () => {
    const { key } = await region.newKey()
    for (const route of KEPT) await asIfNeverMade(route, key)
  })

  test('for one end user is for the key of another one as if it had never been made, by every route', async () => {
    const answer = await region.ask('/v1/api-keys/scoped', {
      method: 'POST',
      key: planted.owner.key,
      body: {
        external_user_id: 'somebody else',
        scopes: SCOPES.filter((scope) => !/^(keys|webhooks|hosts|egress:write)/.test(scope)),
      },
    })
    assert.equal(answer.status, 201, answer.text)
    const key = textAt(answer.json, 'data', 'key')
    for (const route of KEPT) await asIfNeverMade(route, key, withoutShared(planted.things))
  })

  test('is for the browser of another sandbox as if it had never been made, by every route', async () => {
    const { key } = planted.owner
    const other = await region.ask('/v1/sandboxes', { method: 'POST', key, body: {} })
    const scopes = SCOPES.filter((scope) => /^(sandboxes|usage)/.test(scope))
    const body = { sandbox_id: textAt(other.json, 'data', 'id'), scopes }
    const answer = await region.ask('/v1/tokens', { method: 'POST', key, body })
    assert.equal(answer.status, 201, answer.text)
    const token = textAt(answer.json, 'data', 'token')
    for (const route of KEPT) await asIfNeverMade(route, token, withoutShared(planted.things))
  })

  // A matrix that would not notice what it looks for proves nothing.
  test('is told to its owner, by most of the same requests', async () => {
    const readable = KEPT.filter(
      ({ method, stream, socket }) => method === 'GET' && stream === undefined && socket === undefined,
    )
    const telling: string[] = []
    for (const route of readable) {
      const heard = await askRoute(region, route, planted.things, planted.owner.key)
      assert.ok(
        heard.every(({ status }) => status === 200),
        nameOf(route),
      )
      const traces = [planted.word, ...Object.values(planted.things)]
      if (heard.some(({ text }) => traces.some((trace) => text.includes(trace)))) telling.push(nameOf(route))
    }
    assert.ok(telling.length >= 15, `only ${telling}`)
  })

  test('is refused to a key without the scope of the route, to a revoked key and to none', async () => {
    const revoked = await region.newKey({ tenant: planted.owner.tenant })
    await region.sql(`update api_key set status = 'revoked' where id = $1`, [revoked.keyId])
    const callers: [key: string | null, code: number][] = [
      [revoked.key, 401],
      [newApiKey('test', randomBytes(32)), 401],
      [null, 401],
    ]
    for (const route of KEPT) {
      const scopes = SCOPES.filter((scope) => scope !== route.scope)
      const unscoped = route.scope === null ? [] : [await region.newKey({ tenant: planted.owner.tenant, scopes })]
      for (const [key, status] of [...callers, ...unscoped.map(({ key }) => [key, 403] as const)]) {
        const heard = await askRoute(region, route, planted.things, key)
        for (const { status: got, text } of heard) assert.equal(got, status, `${nameOf(route)}: ${text}`)
        requireNoTrace(route, heard)
      }
    }
  })

  test('is after all of this what it was', async () => {
    assert.equal(await everythingOf(region, planted), kept)
  })
})

/** The workspaces of a tenant are for all who act for it. */
const withoutShared = (things: Things): Things => ({ ...things, workspace: neverMade(things).workspace })

/** What changes by itself is left out: when a key was used, when a delivery is tried again. */
async function everythingOf(region: TestRegion, { owner, things }: Planted): Promise<string> {
  const rows = await Promise.all([
    region.sql('select * from sandbox where id = $1', [things.sandbox]),
    region.sql('select id, status, scopes, key_version from api_key where id = $1', [things.key]),
    region.sql('select * from workspace where tenant = $1', [owner.tenant]),
    region.sql('select * from external_limit where tenant = $1', [owner.tenant]),
    region.sql('select * from webhook where tenant = $1', [owner.tenant]),
    region.sql('select id, cordoned, removed_at, drain_started_at from host where id = $1', [things.host]),
    region.sql('select * from preview where sandbox = $1', [things.sandbox]),
    region.sql('select * from preview_share where id = $1', [things.share]),
    region.sql('select * from snapshot where id = $1', [things.snapshot]),
    region.sql('select * from space where id = $1', [things.space]),
    region.sql('select * from template where id = $1', [things.template]),
    region.sql('select * from template_build where template = $1', [things.template]),
    region.sql('select * from template_build_log where build = $1 order by seq', [things.build]),
    region.sql('select * from egress_policy where tenant = $1', [owner.tenant]),
    region.sql('select * from egress_rule where tenant = $1', [owner.tenant]),
    region.sql('select * from egress_secret where tenant = $1', [owner.tenant]),
    region.sql('select * from egress_binding where tenant = $1', [owner.tenant]),
    region.sql('select id, closed_at from usage_interval where sandbox = $1', [things.sandbox]),
    region.ask(`/v1/sandboxes/${things.sandbox}/fs/read?path=/${things.file}`, owner).then(({ text }) => text),
  ])
  return JSON.stringify(rows)
}
