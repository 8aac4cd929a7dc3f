/** A backup that was taken under load brings a region back, on another server if need be, and says no when it cannot. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { appendFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { chmod } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import pg from 'pg'
import { fill } from '../../../origin/controller/backup/folder.ts'
import { readManifest } from '../../../origin/controller/backup/manifest.ts'
import { restoreBackup } from '../../../origin/controller/backup/restore-backup.ts'
import { takeBackup } from '../../../origin/controller/backup/take-backup.ts'
import { startEmbedded } from '../../../origin/controller/database/embedded.ts'
import { migrateDatabase } from '../../../origin/controller/database/migrate.ts'
import { recount } from '../../../origin/controller/reconcile/recount.ts'
import { debian15, embedded, type TestServer } from './support/databases.ts'
import { migrationsUpTo } from './support/migration-level.ts'
import { startRegion, type TestRegion, textAt, until } from './support/region.ts'

const MAIN = fileURLToPath(new URL('../../../origin/controller/backup/main.ts', import.meta.url))

describe('backup and restore', { timeout: 600_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'atoll-backup-'))
  const servers: TestServer[] = []
  const open = async (driver = embedded): Promise<TestServer> => {
    const server = await driver.open()
    servers.push(server)
    return server
  }
  let first: TestServer
  let region: TestRegion
  let url = ''
  before(async () => {
    first = await open()
    url = await first.createDatabase()
    region = await startRegion(url)
  })
  after(async () => {
    await region?.close()
    for (const server of servers) await server.remove()
    rmSync(folder, { recursive: true, force: true })
  })
  const create = async (headers: Record<string, string> = {}): Promise<string> => {
    const made = await region.ask('/v1/sandboxes', {
      method: 'POST',
      body: { env: { A: 'tab\tand \\ and "quote"' } },
      headers,
    })
    assert.equal(made.status, 201, made.text)
    return textAt(made.json, 'data', 'id')
  }

  test('what was acknowledged before a backup under load is there after everything was lost', async (t) => {
    const key = randomUUID()
    const acknowledged = [await create({ 'idempotency-key': key })]
    let isOver = false
    const writing = Promise.all(
      Array.from({ length: 4 }, async () => {
        while (!isOver) acknowledged.push(await create())
      }),
    )
    await until('some sandboxes', () => acknowledged.length > 20)
    const promised = [...acknowledged]
    await takeBackup(url, join(folder, 'live'), new Date())
    isOver = true
    await writing
    const stray = await create()
    const newest = await region.sql<{ id: number }>('select max(id)::int as id from event')

    // The whole server is gone, with its data; the hosts, and what runs on them, are not.
    await region.running.stop()
    await first.remove()
    servers.splice(servers.indexOf(first), 1)
    const second = await open()
    const restoredUrl = await second.createDatabase()
    await restoreBackup(restoredUrl, join(folder, 'live'))
    const restored = await startRegion(restoredUrl, { hosts: region.hosts })
    t.after(() => restored.running.stop())

    const there = new Set((await restored.sql<{ id: string }>('select id from sandbox')).map(({ id }) => id))
    assert.deepEqual(
      promised.filter((id) => !there.has(id)),
      [],
    )
    const headers = { 'idempotency-key': key }
    const again = await restored.ask('/v1/sandboxes', {
      method: 'POST',
      key: region.key,
      body: { env: { A: 'tab\tand \\ and "quote"' } },
      headers,
    })
    assert.deepEqual([again.status, textAt(again.json, 'data', 'id')], [201, promised[0]], 'the key, and what it made')
    const ran = await restored.ask(`/v1/sandboxes/${promised[1]}/exec`, {
      method: 'POST',
      key: region.key,
      body: { command: 'echo still' },
    })
    assert.equal(textAt(ran.json, 'data', 'stdout'), 'still\n')

    // No number that was told to somebody before is told again for something else.
    await restored.ask('/v1/sandboxes', { method: 'POST', key: region.key, body: {} })
    const [event] = await restored.sql<{ id: string }>('select max(id) as id from event')
    assert.ok(Number(event?.id) > Number(newest[0]?.id) + 1_000_000)
    await recount(restored.running.controller)
    const wrong = await restored.running.controller.metrics.mends.get()
    assert.deepEqual(
      wrong.values.filter(({ labels }) => labels.kind === 'slots' || labels.kind === 'reservations'),
      [],
    )
    // Nobody can name it any more, so nobody could ever end it.
    await until('what the backup does not know to be ended', () => !restored.host.vms.has(stray))
    region = restored
  })

  test('a backup of the one is taken back by the other, oldest server', async () => {
    const old = await open(debian15)
    const target = await old.createDatabase()
    const manifest = await restoreBackup(target, join(folder, 'live'))
    const client = new pg.Client({ connectionString: target })
    await client.connect()
    for (const { name, rows } of manifest.tables) {
      const [count] = (await client.query(`select count(*)::int as count from ${name}`)).rows
      assert.equal(count.count, rows, name)
    }
    await client.end()
  })

  test('a backup from before a migration is brought up to date', async () => {
    const server = await open()
    const earlier = migrationsUpTo(5)
    const [from, to] = [await server.createDatabase(), await server.createDatabase()]
    await migrateDatabase(from, earlier.folder).finally(earlier.remove)
    const client = new pg.Client({ connectionString: from })
    await client.connect()
    await client.query(
      `insert into tier values ('old', 5, 60, 'small', 60, 4); insert into tenant (id, name, tier) values ('a', 'A', 'old')`,
    )
    await client.end()
    await takeBackup(from, join(folder, 'earlier'), new Date())
    await restoreBackup(to, join(folder, 'earlier'))
    const restored = await startRegion(to)
    assert.equal((await restored.sql(`select from tenant where id = 'a'`)).length, 1)
    await restored.close()
  })

  test('nothing is written over, and nothing broken is put back', async () => {
    const live = join(folder, 'live')
    await assert.rejects(takeBackup(region.running.controller.database.url, live, new Date()), /not empty/)
    await assert.rejects(restoreBackup(region.running.controller.database.url, live), /not empty/)
    await assert.rejects(readManifest(folder), /no whole backup/)
    const target = await (await open()).createDatabase()
    appendFileSync(join(live, 'sandbox.copy.gz'), 'x')
    await assert.rejects(restoreBackup(target, live), /sandbox.copy.gz is not as it was written/)
  })

  test('only its owner can read it', () => {
    assert.equal(statSync(join(folder, 'live')).mode & 0o077, 0)
    for (const file of readdirSync(join(folder, 'live')))
      assert.equal(statSync(join(folder, 'live', file)).mode & 0o077, 0, file)
  })

  test('the command serves the embedded server, while it runs and while it does not', async (t) => {
    const run = promisify(execFile)
    const place = async (name: string) => {
      const dataDir = mkdtempSync(join(tmpdir(), `atoll-${name}-`))
      await chmod(dataDir, 0o755)
      t.after(() => rmSync(dataDir, { recursive: true, force: true }))
      const env = { ATOLL_DATA_DIR: dataDir, ATOLL_RUN_DIR: dataDir, PATH: process.env.PATH }
      return { where: { dataDir, runDir: dataDir }, env }
    }
    const [from, to] = [await place('from'), await place('to')]
    const serving = await startEmbedded(from.where, () => {})
    await migrateDatabase(serving.url)
    const [hot, cold] = [join(folder, 'hot'), join(folder, 'cold')]
    await run(process.execPath, [MAIN, 'backup', hot], { env: from.env })
    await ask(serving.url, `insert into rate select '2026-01-01', 'EUR', 1, 1, 1, 1`)
    await serving.stop()
    await run(process.execPath, [MAIN, 'backup', cold], { env: from.env })
    await run(process.execPath, [MAIN, 'restore', cold], { env: to.env })
    const restored = await startEmbedded(to.where, () => {})
    t.after(() => restored.stop())
    assert.equal((await ask(restored.url, `select from rate where since = '2026-01-01'`)).rowCount, 1)
  })

  // To start a server in a folder that was mistyped would make a database there, and back that up.
  test('a place that is mistyped is refused, and nothing is made', async () => {
    const nowhere = join(folder, 'nowhere')
    const there = { DATABASE_URL: region.running.controller.database.url }
    const empty = { DATABASE_URL: await (await open()).createDatabase() }
    const wrong = { ATOLL_DATA_DIR: nowhere, ATOLL_RUN_DIR: nowhere }
    const refusals: [object, string[], RegExp][] = [
      [wrong, ['backup', join(folder, 'new')], /no database in .*nowhere/],
      [wrong, ['restore', join(folder, 'new')], /new holds no whole backup/],
      [there, ['backup', join(nowhere, 'new')], /no folder .*nowhere/],
      [there, ['backup', join(folder, 'live')], /not empty/],
      [there, ['backup', join(folder, 'live', 'manifest.json')], /not a folder/],
      [there, ['backup'], /npm run backup -- FOLDER/],
      [empty, ['backup', join(folder, 'new')], /not the one of a region/],
      [{}, ['backup', join(folder, 'new')], /Give DATABASE_URL/],
    ]
    const before = readdirSync(folder)
    for (const [env, words, why] of refusals) {
      const asked = promisify(execFile)(process.execPath, [MAIN, ...words], { env: { ...env, PATH: process.env.PATH } })
      await assert.rejects(asked, (err: { code: number; stderr: string }) => err.code === 1 && why.test(err.stderr))
    }
    assert.deepEqual(readdirSync(folder), before)
  })

  test('a backup that fails leaves no part of it', async () => {
    const there = region.running.controller.database.url
    const place = join(folder, 'failed')
    mkdirSync(place)
    await assert.rejects(
      fill(place, async () => {
        writeFileSync(join(place, 'sandbox.copy.gz'), 'half')
        throw new Error('The disk is full.')
      }),
      /disk is full/,
    )
    assert.deepEqual(readdirSync(place), [])
    await takeBackup(there, place, new Date())
    await assert.rejects(
      fill(`${place}-2`, () => Promise.reject(new Error('The disk is full.'))),
      /disk is full/,
    )
    assert.ok(!readdirSync(folder).includes('failed-2'))
  })

  test('the command says what it did, and fails with a word and a status', async () => {
    const run = promisify(execFile)
    const env = { DATABASE_URL: region.running.controller.database.url, PATH: process.env.PATH }
    const { stdout } = await run(process.execPath, [MAIN, 'backup', join(folder, 'by-command')], { env })
    assert.match(stdout, /backup: \d+ rows of \d+ tables/)
    const refused = run(process.execPath, [MAIN, 'restore', join(folder, 'by-command')], { env })
    await assert.rejects(
      refused,
      (err: { code: number; stderr: string }) => err.code === 1 && /not empty/.test(err.stderr),
    )
  })
})

async function ask(url: string, sql: string): Promise<pg.QueryResult> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  return client.query(sql).finally(() => client.end())
}
