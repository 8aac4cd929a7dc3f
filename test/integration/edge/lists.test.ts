/** Lists and names over regions: one answer out of several, honest about who did not answer. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { newId, parseId } from '../../../shared/ids.ts'
import { errorOf, type Stage, setStage } from './stage/edge-stage.ts'
import { answerJson, type FakeRegion, resetConnection } from './stage/fake-region.ts'

type Page = { data: { id: string }[]; next_cursor: string | null; partial?: string[] }

/** Sandboxes made one millisecond after the other, in turn in one region and the other. Newest first. */
const ROWS = Array.from({ length: 20 }, (_, index) =>
  newId('sbx', index % 2 === 0 ? 'usw1' : 'eu1', 1_790_000_000_000 + index, randomBytes(16)),
).reverse()

/** Lists as the contract says: newest first, below the cursor, at most `limit`. */
function serveRows(region: FakeRegion, rows: readonly string[] = ROWS): void {
  const own = rows.filter((id) => parseId(id)?.region === region.code)
  region.respond((received, response) => {
    const query = new URL(received.url, 'http://region').searchParams
    const cursor = query.get('cursor')
    if (cursor !== null && parseId(cursor)?.region !== region.code) {
      answerJson(response, 422, { ok: false, error: { code: 'invalid_request' } })
      return
    }
    const below = own.filter((id) => cursor === null || id.slice(0, -3) < cursor.slice(0, -3))
    const page = below.slice(0, Number(query.get('limit') ?? 1_000))
    const next_cursor = page.length < below.length ? (page.at(-1) ?? null) : null
    answerJson(response, 200, { data: page.map((id) => ({ id, state: query.get('state') })), next_cursor })
  })
}

const pageOf = async (answer: Promise<Response>): Promise<Page> => (await (await answer).json()) as Page
const idsOf = ({ data }: Page): string[] => data.map(({ id }) => id)

async function setListStage(t: Parameters<typeof setStage>[0]): Promise<Stage> {
  const stage = await setStage(t)
  serveRows(stage.usw1)
  serveRows(stage.eu1)
  return stage
}

test('a list has the rows of every region, newest first', async (t) => {
  const { ask } = await setListStage(t)
  const answer = await ask('/v1/sandboxes?state=running')
  const page = (await answer.json()) as Page
  assert.deepEqual(idsOf(page), ROWS)
  assert.equal(page.next_cursor, null)
  assert.equal(page.partial, undefined)
  assert.equal(answer.headers.get('x-region'), 'usw1,eu1')
  assert.deepEqual(page.data[0], { id: ROWS[0], state: 'running' })
})

test('snapshots and spaces are listed over regions, and page by page, as sandboxes are', async (t) => {
  const { ask, usw1, eu1 } = await setStage(t)
  for (const [kind, path] of [
    ['snap', '/v1/snapshots'],
    ['spc', '/v1/spaces'],
  ] as const) {
    const rows = ROWS.map((_, index) =>
      newId(kind, index % 3 === 0 ? 'usw1' : 'eu1', 1_790_000_000_000 - index, randomBytes(16)),
    )
    for (const region of [usw1, eu1]) serveRows(region, rows)
    const seen: string[] = []
    for (let cursor: string | null = ''; cursor !== null; ) {
      const page: Page = await pageOf(ask(`${path}?limit=7${cursor === '' ? '' : `&cursor=${cursor}`}`))
      seen.push(...idsOf(page))
      cursor = page.next_cursor
    }
    assert.deepEqual(seen, rows)
  }
})

test('pages over regions show every row once, whatever the size of a page', async (t) => {
  const { ask } = await setListStage(t)
  for (const limit of [1, 3, 7, 20]) {
    const seen: string[] = []
    let cursor: string | null = ''
    while (cursor !== null) {
      const page: Page = await pageOf(ask(`/v1/sandboxes?limit=${limit}${cursor === '' ? '' : `&cursor=${cursor}`}`))
      assert.ok(page.data.length <= limit)
      seen.push(...idsOf(page))
      cursor = page.next_cursor
    }
    assert.deepEqual(seen, ROWS, `pages of ${limit}`)
  }
})

// The page of the busier region ends above the last row of the other one; going on below that would skip what lies between.
test('pages of a size that the caller did not choose show every row once, too', async (t) => {
  const { ask, usw1, eu1 } = await setStage(t)
  const moment = 1_790_000_000_000
  const newer = Array.from({ length: 1_200 }, (_, n) => newId('sbx', 'usw1', moment + 2_000 - n, randomBytes(16)))
  const oldest = newId('sbx', 'eu1', moment, randomBytes(16))
  serveRows(usw1, newer)
  serveRows(eu1, [oldest])
  const first = await pageOf(ask('/v1/sandboxes'))
  const second = await pageOf(ask(`/v1/sandboxes?cursor=${first.next_cursor}`))
  assert.deepEqual([...idsOf(first), ...idsOf(second)], [...newer, oldest])
  assert.equal(second.next_cursor, null)
})

test('a list with a region down has the rows of the others and names the missing one', async (t) => {
  const { ask, eu1 } = await setListStage(t)
  await eu1.refuse()
  const answer = await ask('/v1/sandboxes')
  assert.equal(answer.status, 200)
  assert.equal(answer.headers.get('x-partial'), 'eu1')
  const page = (await answer.json()) as Page
  assert.deepEqual(page.partial, ['eu1'])
  assert.equal(page.data.length, 10)
})

// Which rows are on page 3 of one region says nothing about which are on page 3 of all.
test('numbered pages over regions show every row once, and count them all', async (t) => {
  const { ask, usw1, eu1 } = await setStage(t)
  for (const region of [usw1, eu1]) {
    const own = ROWS.filter((id) => parseId(id)?.region === region.code)
    region.respond((received, response) => {
      const query = new URL(received.url, 'http://region').searchParams
      const [page, size] = [Number(query.get('page') ?? 1), Number(query.get('page_size') ?? 20)]
      const data = own.slice((page - 1) * size, page * size).map((id) => ({ id }))
      answerJson(response, 200, { data, page: { page, page_size: size, total: own.length }, next_cursor: null })
    })
  }
  const seen: string[] = []
  for (let page = 1; page <= 3; page += 1) {
    const answer = await pageOf(ask(`/v1/sandboxes?page=${page}&page_size=8`))
    seen.push(...idsOf(answer))
    assert.deepEqual(Reflect.get(answer, 'page'), { page, page_size: 8, total: 20 })
    assert.equal(answer.next_cursor, page < 3 ? (answer.data.at(-1)?.id ?? '') : null)
  }
  assert.deepEqual(seen, ROWS)
  const tooFar = await ask('/v1/sandboxes?page=1001&page_size=1')
  assert.deepEqual([tooFar.status, (await errorOf(tooFar)).code], [422, 'invalid_request'])
})

test('a list of named regions asks only those', async (t) => {
  const { ask, usw1 } = await setListStage(t)
  const page = await pageOf(ask('/v1/sandboxes', { headers: { 'x-region': 'eu' } }))
  assert.equal(page.data.length, 10)
  assert.equal(usw1.received.length, 0)
})

test('a filter that a region refuses is refused; no region at all is a 503', async (t) => {
  const { ask, usw1, eu1 } = await setListStage(t)
  assert.equal((await ask('/v1/sandboxes?cursor=sbx_usw1_nonsense')).status, 422)
  usw1.respond(resetConnection)
  eu1.respond(resetConnection)
  const answer = await ask('/v1/sandboxes')
  assert.equal(answer.status, 503)
  assert.equal((await errorOf(answer)).code, 'region_unavailable')
})

test('a sandbox is found by its name wherever it lives, and missing only when every region says so', async (t) => {
  const { ask, usw1, eu1 } = await setStage(t)
  const missing = { ok: false, error: { code: 'sandbox_not_found' } }
  usw1.respond((_received, response) => answerJson(response, 404, missing))
  for (const path of ['/v1/sandboxes/my-box', '/v1/sandboxes/by-name/my-box']) {
    const found = await ask(path)
    assert.equal(found.headers.get('x-region'), 'eu1', path)
  }
  eu1.respond((_received, response) => answerJson(response, 404, missing))
  assert.equal((await ask('/v1/sandboxes/by-name/my-box')).status, 404)
  eu1.respond(resetConnection)
  assert.equal((await ask('/v1/sandboxes/by-name/my-box')).status, 503)
})

test('a sandbox is found by its name although a region that is asked, too, fails', async (t) => {
  const { ask, usw1 } = await setStage(t)
  const failure = { ok: false, error: { code: 'database_unavailable' } }
  usw1.respond((_received, response) => answerJson(response, 503, failure, { 'x-origin': '1' }))
  const found = await ask('/v1/sandboxes/by-name/my-box')
  assert.deepEqual([found.status, found.headers.get('x-region')], [200, 'eu1'])
})
