/** The tables change while they are in use: nothing is lost, nobody waits for long, and several may begin at once. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { migrateDatabase } from '../../../origin/controller/database/migrate.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { embedded, type TestServer } from './support/databases.ts'
import { migrationsUpTo, readJournal } from './support/migration-level.ts'

/** How long somebody holds what is to change: over many attempts, and so that one who waits for them is not taken for a slow machine. */
const HELD_MS = 5 * (LIMITS.migrationLockMs + LIMITS.migrationPauseMs)

/** The first level that has every table of a region. */
const FIRST_LEVEL = 5

/** Something in each table that a region cannot lose. Only columns that were there at the first level. */
const ROWS = `
  insert into tier (name, concurrency, requests_per_minute, max_size, max_timeout_sec, max_body_mib) values ('old', 5, 60, 'small', 60, 4);
  insert into tenant (id, name, tier) values ('acme', 'Acme', 'old');
  insert into workspace (id, tenant, slug, name) values ('w1', 'acme', 'w', 'W');
  insert into api_key (id, hash, tenant, tier, scopes, status, key_version) values ('k1', 'h', 'acme', 'old', '{sandboxes:read}', 'active', 1);
  insert into quota_grant (tenant, granted) values ('acme', 3);
  insert into host (id, accepting, draining, offered_vcpus, offered_memory_mib, offered_disk_mib, offered_vms, last_seen)
    values ('h1', true, false, 2, 64000, 640000, 50, now());
  insert into sandbox (id, tenant, name, state, revision, host, instance, template, vcpus, memory_mib, disk_mib, timeout_sec,
    idle_timeout_sec, always_on, persistent, env, metadata, tags, workspace, created_at, changed_at)
    values ('s1', 'acme', 'mine', 'creating', 1, 'h1', 1, 'default', 2, 4096, 20480, 300, 0, false, true, '{"A":"b"}', '{"m":1}', '{t}', 'w1', now(), now());
  update sandbox set state = 'running', revision = 2, ready_at = now() where id = 's1';
  insert into idempotency (tenant, route, key, fingerprint, sandbox, instance, status, response, expires_at)
    values ('acme', 'create', 'i', 'f', 's1', 1, 201, '{}', now() + interval '1 day');
  insert into host_token (id, hash, expires_at) values ('t1', 'x', now() + interval '1 day');`
const TABLES = [
  ...['tier', 'tenant', 'workspace', 'api_key', 'quota_grant', 'host', 'sandbox', 'idempotency', 'host_token'],
  ...['event', 'usage_interval'],
]

describe('migrations', { timeout: 600_000 }, () => {
  let server: TestServer | undefined
  before(async () => {
    server = await embedded.open()
  })
  after(() => server?.remove())

  async function connect(url: string): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    return client
  }
  /** A database with rows, as the controllers of an earlier time left it. */
  async function databaseAt(level: number): Promise<string> {
    const url = (await server?.createDatabase()) ?? ''
    const earlier = migrationsUpTo(level)
    await migrateDatabase(url, earlier.folder).finally(earlier.remove)
    const client = await connect(url)
    await client.query(ROWS)
    await client.end()
    return url
  }
  const levels = readJournal().entries.length

  // One that is older than the newest that was applied is skipped without a word.
  test('the journal only grows', () => {
    const whens = readJournal().entries.map(({ when }) => when)
    assert.deepEqual(
      whens,
      [...new Set(whens)].sort((a, b) => a - b),
    )
  })

  for (const level of [FIRST_LEVEL, levels - 1].filter((one, n, all) => one < levels && all.indexOf(one) === n))
    test(`from level ${level} to ${levels} nothing is lost`, async () => {
      const url = await databaseAt(level)
      const client = await connect(url)
      const read = async () => {
        const rows: Record<string, unknown>[] = []
        for (const table of TABLES)
          for (const { row } of (await client.query(`select to_jsonb(t) as row from ${table} t order by t::text`)).rows)
            rows.push({ table, ...row })
        return rows
      }
      const earlier = await read()
      assert.ok(TABLES.every((table) => earlier.some((row) => row.table === table)))
      await migrateDatabase(url)
      const later = await read()
      await client.end()
      assert.equal(later.length, earlier.length)
      for (const [n, row] of earlier.entries()) {
        // A column may go, by the rules of the runbook; what stays has what it had.
        const kept = Object.entries(row).filter(([column]) => column in (later[n] ?? {}))
        assert.partialDeepStrictEqual(later[n], Object.fromEntries(kept))
        assert.ok(
          kept.length >= Object.keys(row).length - 1,
          `${row.table} lost ${Object.keys(row).length - kept.length}`,
        )
      }
    })

  test('several at once change the tables once', async () => {
    const url = (await server?.createDatabase()) ?? ''
    await Promise.all(Array.from({ length: 4 }, () => migrateDatabase(url)))
    const client = await connect(url)
    const { rows } = await client.query('select count(*)::int as count from drizzle.__drizzle_migrations')
    await client.end()
    assert.deepEqual(rows, [{ count: levels }])
  })

  // A change of a table waits for whoever reads it, and all others wait behind the change.
  test('while somebody holds a table the others go on, and the change comes when it is free', async (t) => {
    const url = await databaseAt(FIRST_LEVEL)
    const [holder, other] = [await connect(url), await connect(url)]
    await holder.query('begin; lock table sandbox, host, api_key, event, usage_interval in access share mode')
    let isOver = false
    let slowestMs = 0
    let count = 0
    const reading = (async () => {
      while (!isOver) {
        const from = performance.now()
        await other.query(
          'select count(*) from sandbox; select count(*) from usage_interval; select count(*) from host',
        )
        slowestMs = Math.max(slowestMs, performance.now() - from)
        count += 1
        await sleep(5)
      }
    })()
    const migrating = migrateDatabase(url)
    t.after(async () => {
      isOver = true
      await Promise.allSettled([migrating, reading])
      await Promise.all([holder.end(), other.end()])
    })
    await sleep(HELD_MS)
    await holder.query('commit')
    await migrating
    isOver = true
    await reading
    assert.ok(slowestMs < HELD_MS - LIMITS.migrationLockMs, `somebody waited for ${slowestMs} ms`)
    assert.ok(slowestMs > LIMITS.migrationLockMs / 2, 'the change and the readers did meet')
    assert.ok(count > 20, `${count} reads`)
  })
})
