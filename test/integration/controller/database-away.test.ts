/**
 * The database away for a second and for twenty: every route says so with a clear 503 or what it knows without a database, no answer is
 * wrong, and when it is back everything goes on without a restart, with nothing lost and nothing made twice.
 */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { ALL_ROUTES } from '../../../shared/contracts/all-routes.ts'
import type { Route } from '../../../shared/contracts/route.ts'
import { askRoute, type Heard, nameOf } from './isolation/ask-route.ts'
import { type Planted, plant } from './isolation/plant.ts'
import { auditRegion } from './support/audit-region.ts'
import { embedded, type TestServer } from './support/databases.ts'
import { at, startRegion, type TestRegion, textAt, until } from './support/region.ts'
import { type WholeAgent, wholeAgent } from './support/whole-agent.ts'

const AWAY_MS = [1_000, 20_000]
const ANSWER_MS = 12_000
const AWAY_CODES = ['database_unavailable', 'region_unavailable', 'quota_authority_unavailable']
/** They only judge what they are sent. */
const JUDGES: ReadonlySet<string> = new Set(['POST /v1/egress/oauth/start', 'POST /v1/sandbox-templates/validate'])
const isRead = (route: Route): boolean => route.method === 'GET' || JUDGES.has(nameOf(route))
const READS = ALL_ROUTES.filter((route) => isRead(route) && route.class !== 'open')
const CHANGES = ALL_ROUTES.filter((route) => !isRead(route))

describe('a database that is away', { timeout: 600_000 }, () => {
  let server: TestServer
  let region: TestRegion
  let planted: Planted
  let agent: WholeAgent | undefined
  before(async () => {
    server = await embedded.open()
    region = await startRegion(await server.createDatabase())
    agent = await wholeAgent()
    region.host.agent = agent.answer
    planted = await plant(region)
  })
  after(async () => {
    // Whatever was waiting for the database must let go of it, or a controller that saw an outage never stops.
    let isStopped = false
    void region?.close().then(() => {
      isStopped = true
    })
    await until('the controller to stop', () => isStopped)
    await agent?.remove()
    await server?.remove()
  })

  const askAll = async (routes: typeof ALL_ROUTES): Promise<Map<string, Heard[]>> => {
    const heard = new Map<string, Heard[]>()
    for (const route of routes) {
      const from = performance.now()
      heard.set(nameOf(route), await askRoute(region, route, planted.things, planted.owner.key))
      assert.ok(performance.now() - from < ANSWER_MS * (heard.get(nameOf(route))?.length ?? 1), nameOf(route))
    }
    return heard
  }
  /** Podflare's form has no codes. */
  const isAway = ({ status, code, text }: Heard): boolean =>
    status === 503 && (AWAY_CODES.includes(code) || /^\{"error":"[^"]+ does not answer/.test(text))
  const create = (idempotencyKey: string) =>
    region.ask('/v1/sandboxes', { method: 'POST', body: {}, headers: { 'idempotency-key': idempotencyKey } })

  for (const awayMs of AWAY_MS)
    test(`for ${awayMs / 1_000} s is told of truly, and its return needs nobody`, async (t) => {
      const usual = await askAll(READS)
      const acknowledged = new Set<string>()
      const unanswered: string[] = []
      let isOver = false
      const live = async (): Promise<void> => {
        while (!isOver) {
          const key = randomUUID()
          const made = await create(key)
          if (made.status === 201) acknowledged.add(textAt(made.json, 'data', 'id'))
          else {
            assert.ok(AWAY_CODES.includes(textAt(made.json, 'error', 'code')), made.text)
            unanswered.push(key)
          }
          await sleep(150)
        }
      }
      const living = [live(), live(), live()]
      await sleep(200)
      await server.stop()
      const wentAt = Date.now()
      try {
        for (const [name, answers] of await askAll(READS))
          for (const [place, one] of answers.entries())
            assert.ok(isAway(one) || one.status === usual.get(name)?.[place]?.status, `${name}: ${one.text}`)
        for (const [name, answers] of await askAll(CHANGES))
          for (const one of answers) assert.ok(isAway(one), `${name} changed something: ${one.status} ${one.text}`)
        await sleep(Math.max(0, awayMs - (Date.now() - wentAt)))
      } catch (err) {
        isOver = true
        throw err
      } finally {
        await server.start()
      }
      const backAt = Date.now()
      const isReady = async () => (await region.ask('/readyz', { key: null })).status === 200
      await until('the region to be ready again', isReady)
      t.diagnostic(
        `away for ${backAt - wentAt} ms, ready ${Date.now() - backAt} ms later; ${unanswered.length} creates without an answer`,
      )
      isOver = true
      await Promise.all(living)
      for (const key of unanswered) {
        const made = await create(key)
        assert.equal(made.status, 201, made.text)
        acknowledged.add(textAt(made.json, 'data', 'id'))
      }
      const now = await askAll(READS)
      for (const [name, answers] of now)
        assert.deepEqual(
          answers.map(({ status }) => status),
          usual.get(name)?.map(({ status }) => status),
          name,
        )

      const faults = async (): Promise<unknown[]> => {
        const rows = await region.sql<{ id: string }>(
          `select id from sandbox where released_at is null and tenant <> $1`,
          [planted.owner.tenant],
        )
        const alive = new Set(rows.map(({ id }) => id))
        const machines = [...region.host.vms.keys()].filter((id) => id !== planted.things.sandbox)
        return [
          ...(await auditRegion(region.sql)),
          ...[...acknowledged].filter((id) => !alive.has(id) || !machines.includes(id)),
          ...machines.filter((id) => !acknowledged.has(id)),
        ]
      }
      await until('everything to be as it was told', async () => (await faults()).length === 0).catch(() => {})
      assert.deepEqual(await faults(), [])
      assert.equal(
        at(
          (await region.ask(`/v1/sandboxes/${planted.things.sandbox}`, { key: planted.owner.key })).json,
          'data',
          'state',
        ),
        'running',
      )
      for (const id of acknowledged) await region.ask(`/v1/sandboxes/${id}`, { method: 'DELETE' })
    })
})
