/** What has ended piles up. Nothing that is asked by every request, or every second, may cost more because of it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type TestRegion, textAt } from '../support/region.ts'

const PILE = 5_000
const LOOKS = 120

export function pilePromises(regionOf: () => TestRegion): void {
  /** Rows that statements have looked at so far, by PostgreSQL's own count, which is up to a second late while statements go on. */
  const rowsRead = async (table: string): Promise<number> => {
    const [row] = await regionOf().sql<{ read: string }>(
      `select seq_tup_read + (select sum(idx_tup_read) from pg_stat_user_indexes where relname = $1) as read
       from pg_stat_user_tables where relname = $1`,
      [table],
    )
    return Number(row?.read)
  }

  test('a look by name, a look by id and the sweep of keys read a few rows each, among thousands that have ended', async () => {
    const region = regionOf()
    const { key, tenant } = await region.newKey()
    const made = await region.ask('/v1/sandboxes', { method: 'POST', key, body: { name: 'the living one' } })
    const id = textAt(made.json, 'data', 'id')
    await region.sql(
      `insert into sandbox select (jsonb_populate_record(s, jsonb_build_object(
         'id', 'sbx_pile_' || n, 'name', 'ended ' || n, 'state', 'error', 'released_at', now()))).*
       from sandbox s, generate_series(1, ${PILE}) n where s.id = $1`,
      [id],
    )
    await region.sql(
      `insert into idempotency select $1, 'create', 'pile ' || n, 'f', 's', 1, 201, '{}', now() + interval '1 day'
       from generate_series(1, ${PILE}) n`,
      [tenant],
    )
    await region.sql('analyze')
    await sleep(1_500)
    const before = { sandbox: await rowsRead('sandbox'), idempotency: await rowsRead('idempotency') }
    for (let n = 0; n < LOOKS; n++) {
      for (const reference of [encodeURIComponent('the living one'), id]) {
        const found = await region.ask(`/v1/sandboxes/${reference}`, { key })
        assert.equal(textAt(found.json, 'data', 'id'), id)
      }
      await sleep(20)
    }
    assert.ok((await rowsRead('sandbox')) - before.sandbox < PILE)
    assert.ok((await rowsRead('idempotency')) - before.idempotency < PILE)
  })
}
