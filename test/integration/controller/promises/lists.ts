/** Lists of sandboxes: narrowed by all that there is, paged without gaps, and never by a scan of the table. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import pg from 'pg'
import { listAnswer } from '../../../../shared/contracts/sandbox-list.ts'
import { at, type TestRegion, textAt } from '../support/region.ts'

export function listPromises(regionOf: () => TestRegion): void {
  const create = async (key: string, body: object = {}) => {
    const made = await regionOf().ask('/v1/sandboxes', { method: 'POST', key, body })
    return textAt(made.json, 'data', 'id')
  }
  const list = async (key: string, query: string) => {
    const answer = await regionOf().ask(`/v1/sandboxes?${query}`, { key })
    assert.equal(answer.status, 200, answer.text)
    return listAnswer.parse(answer.json)
  }
  const idsOf = async (key: string, query: string) => (await list(key, query)).data.map(({ id }) => id)

  test('every filter finds what it names and nothing else', async () => {
    const region = regionOf()
    const { key, tenant } = await region.newKey()
    await region.sql(`insert into workspace (id, tenant, slug, name) values ($1, $2, 'team', 'Team')`, [
      `ws_${tenant}`,
      tenant,
    ])
    const other = await create(key, { name: 'other', metadata: { team: 'blue', n: 1 }, tags: ['a'] })
    await region.sql(`update sandbox set created_at = '2020-01-01' where id = $1`, [other])
    const wanted = await create(key, {
      name: 'wanted',
      template: 'python-datasci',
      metadata: { team: 'red', n: 2 },
      tags: ['a', 'b'],
      workspace_id: `ws_${tenant}`,
      external_user_id: 'u',
      external_workspace_id: 'w',
      external_project_id: 'p',
    })
    for (const query of [
      'name=wanted',
      'template=python-datasci',
      'template_id=python-datasci',
      'metadata[team]=red',
      'metadata[n]=2',
      `metadata${encodeURIComponent('[team]')}=red&metadata[n]=2`,
      'tags=b,a',
      `workspace_id=ws_${tenant}`,
      'workspace_slug=team',
      'workspace_name=Team',
      'workspace=team',
      `workspace=ws_${tenant}`,
      'external_user_id=u',
      'external_workspace_id=w',
      'external_project_id=p',
      'created_after=2020-01-02T00:00:00Z',
      'state=running&name=wanted&region=us-west',
    ])
      assert.deepEqual(await idsOf(key, query), [wanted], query)
    assert.deepEqual(await idsOf(key, 'created_before=2020-01-02T00:00:00%2B02:00'), [other])
    for (const query of ['metadata[team]=green', 'metadata[none]=1', 'region=eu', 'state=paused', 'workspace=no'])
      assert.deepEqual(await idsOf(key, query), [], query)
  })

  // A filter that is silently ignored answers with more than was asked for; a script that deletes what it lists would then delete too much.
  test('an unknown filter, a wrong value and an altered cursor are refused, naming the field', async () => {
    const { key } = regionOf()
    const cursor = await create(key)
    const altered = `${cursor.slice(0, -1)}${cursor.endsWith('0') ? '1' : '0'}`
    for (const [query, field] of [
      ['owner=me', 'owner'],
      ['metadata=x', 'metadata'],
      ['metadata[]=x', 'metadata[]'],
      ['state=gone', 'state'],
      ['tags=a&tags=b', 'tags'],
      ['limit=0', 'limit'],
      ['limit=1001', 'limit'],
      ['page=0', 'page'],
      ['page_size=x', 'page_size'],
      ['created_after=yesterday', 'created_after'],
      [`cursor=${altered}`, 'cursor'],
      ['cursor=x', 'cursor'],
      [`page=1&cursor=${cursor}`, 'cursor'],
    ] as const) {
      const answer = await regionOf().ask(`/v1/sandboxes?${query}`)
      assert.deepEqual([answer.status, textAt(answer.json, 'error', 'code')], [422, 'invalid_request'], query)
      assert.ok(at(answer.json, 'error', 'details', field), `${query}: ${answer.text}`)
    }
  })

  test('pages by number and by cursor have every sandbox once, and say how many there are', async () => {
    const { key } = await regionOf().newKey()
    const made = new Set<string>()
    for (let n = 0; n < 5; n++) made.add(await create(key, { tags: n % 2 === 0 ? ['even'] : [] }))
    const seen: string[] = []
    for (const page of [1, 2, 3]) {
      const answer = await list(key, `page=${page}&page_size=2`)
      assert.deepEqual(answer.page, { page, page_size: 2, total: 5 })
      assert.deepEqual(answer.meta, { total: 5, page })
      seen.push(...answer.data.map(({ id }) => id))
    }
    assert.deepEqual(new Set(seen), made)
    assert.deepEqual(seen, seen.toSorted().toReversed())
    assert.deepEqual((await list(key, 'page=1&per_page=1&tags=even')).meta, { total: 3, page: 1 })
    assert.deepEqual((await list(key, 'page=9')).data, [])
    const whole = await list(key, '')
    assert.deepEqual([whole.page, whole.next_cursor], [{ page: 1, page_size: 1_000, total: 5 }, null])
    const cut = await list(key, 'limit=2')
    assert.deepEqual([cut.page, cut.next_cursor], [undefined, cut.data.at(-1)?.id])
  })

  test('a cursor of another tenant is a moment and nothing more', async () => {
    const [mine, theirs] = [await regionOf().newKey(), await regionOf().newKey()]
    const old = await create(mine.key)
    const cursor = await create(theirs.key)
    await create(mine.key)
    assert.deepEqual(
      (await idsOf(mine.key, `cursor=${cursor}`)).filter((id) => id !== old),
      [],
    )
  })

  // With 50,000 sandboxes a scan would take every list of every tenant to its knees.
  test('no list reads the whole table, in a region of 50,000 sandboxes', async (t) => {
    const region = regionOf()
    const { key, tenant } = await region.newKey()
    const model = await create(key)
    // On a connection whose statements may take their time: the region's own are for what callers wait for.
    const client = new pg.Client({ connectionString: region.running.controller.database.url })
    t.after(() => client.end())
    await client.connect()
    await client.query(
      `insert into tenant (id, name, tier) select 'crowd_' || n, '', 'scale' from generate_series(1, 9) n`,
    )
    await client.query('alter table sandbox disable trigger user')
    await client.query(
      `insert into sandbox select filler.* from sandbox model, generate_series(1, 50000) n,
         lateral jsonb_populate_record(model, jsonb_build_object(
           'id', 'sbx_usw1_' || lpad(n::text, 29, '0'), 'state', 'error', 'released_at', now(),
           'tenant', case when n % 10 = 0 then model.tenant else 'crowd_' || n % 10 end,
           'tags', case when n % 100 = 0 then '["rare"]' else '[]' end::jsonb, 'external_user_id', 'u' || n % 1000)) filler
       where model.id = $1`,
      [model],
    )
    await client.query('alter table sandbox enable trigger user')
    await client.query('analyze sandbox')
    for (const query of [
      '',
      'limit=20',
      'page=2',
      `cursor=${model}&limit=20`,
      'tags=rare',
      'external_user_id=u8&limit=20',
      'state=error&limit=20',
      'name=x',
      'workspace_slug=team',
      'created_after=2024-01-01T00:00:00Z',
      'metadata[a]=b',
    ])
      for (const plan of await plansOf(() => list(key, query)))
        assert.ok(!/Seq Scan on sandbox/.test(plan), `${query}:\n${plan}`)
    await client.query('delete from sandbox where tenant = $1 or id like $2', [tenant, 'sbx_usw1_000%'])
  })

  /** How the server carries out what a request asks of it. */
  async function plansOf(request: () => Promise<unknown>): Promise<string[]> {
    const { pool } = regionOf().running.controller.database
    const asked: { text: string; values: unknown[] }[] = []
    const plain = pool.query.bind(pool)
    Reflect.set(pool, 'query', (statement: { text: string }, values: unknown[]) => {
      if (statement.text?.includes('from "sandbox"')) asked.push({ text: statement.text, values })
      return Reflect.apply(plain, pool, [statement, values])
    })
    try {
      await request()
    } finally {
      Reflect.set(pool, 'query', plain)
    }
    assert.ok(asked.length > 0)
    const plans: string[] = []
    for (const { text, values } of asked) {
      const rows = await regionOf().sql<{ 'QUERY PLAN': string }>(`explain ${text}`, values)
      plans.push(rows.map((row) => row['QUERY PLAN']).join('\n'))
    }
    return plans
  }
}
