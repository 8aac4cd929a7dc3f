/** One Idempotency-Key, one sandbox, wherever its requests land: the real edge before two regions that make sandboxes and fail. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { until } from '../controller/support/region.ts'
import { makeCreating } from './stage/creating-region.ts'
import { CALIFORNIA, EUROPE, post, type StageOptions, setStage } from './stage/edge-stage.ts'
import { resetConnection } from './stage/fake-region.ts'

const CREATE = '/v1/sandboxes'
const BODY = JSON.stringify({ name: 'mine' })
const BODY_SHA256 = createHash('sha256').update(BODY).digest('hex')

async function setCreatingStage(t: TestContext, options: StageOptions = {}) {
  const stage = await setStage(t, options)
  const [west, europe] = [makeCreating(stage.usw1), makeCreating(stage.eu1)]
  const create = (key: string | null, headers: Record<string, string> = {}, cf: object = CALIFORNIA) =>
    stage.ask(CREATE, { ...post(BODY, { ...(key === null ? {} : { 'idempotency-key': key }), ...headers }), cf })
  return { ...stage, west, europe, create }
}

const idOf = async (answer: Response): Promise<string> => {
  const text = await answer.text()
  assert.equal(answer.status, 201, text)
  return JSON.parse(text).data.id
}

test('a retry that is steered elsewhere gets the answer of the region that has the sandbox', async (t) => {
  const { create, west, europe, eu1 } = await setCreatingStage(t)
  const first = await idOf(await create('k1'))
  const again = await create('k1', {}, EUROPE)
  assert.deepEqual(
    [again.headers.get('x-region'), again.headers.get('x-failover')],
    ['usw1', 'from=eu1;reason=key_elsewhere'],
  )
  assert.equal(await idOf(again), first)
  await until('the other region to be told', () => eu1.orphans.length > 0)
  assert.deepEqual(eu1.orphans, [
    {
      tenant: 'ten_1',
      idempotency_key: 'k1',
      external_user_id: null,
      door: 'create',
      body_sha256: BODY_SHA256,
      owner: 'usw1',
    },
  ])
  assert.deepEqual([west.living().get('k1'), europe.living().size], [first, 0])
})

test('a create whose answer is lost is made in the next region, and given up in the first one', async (t) => {
  for (const key of ['mine', null]) {
    const { create, usw1, west, europe } = await setCreatingStage(t)
    usw1.respond((received, response, request) => {
      west.create(received, { writeHead: () => response, end: () => response } as unknown as typeof response, request)
      resetConnection(received, response, request)
    })
    const answer = await create(key)
    assert.deepEqual(
      [answer.headers.get('x-region'), answer.headers.get('x-failover')],
      ['eu1', 'from=usw1;reason=no_answer'],
    )
    const id = await idOf(answer)
    await until('the first region to be told', () => usw1.orphans.length > 0)
    assert.equal(west.living().size, 0)
    assert.deepEqual([...europe.living().values()], [id])
    usw1.respond(west.create)
    if (key !== null) assert.equal(await idOf(await create(key)), id)
  }
})
