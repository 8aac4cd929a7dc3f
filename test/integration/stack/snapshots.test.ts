/** A region and a real host: what machines remember is kept, forked, merged, gone back to, and frozen and opened again with its space. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Daemon } from '../../harness/host-daemon.ts'
import { embedded, type TestServer } from '../controller/support/databases.ts'
import { type Answer, at, startRegion, type TestRegion, textAt, until } from '../controller/support/region.ts'

const SMALL = { cpu_count: 1, memory_mb: 512, disk_size_mb: 1_024 }
const READY_MS = 60_000

let server: TestServer
let region: TestRegion
let daemon: Daemon

before(async () => {
  server = await embedded.open()
  daemon = await Daemon.start()
  const env = { ATOLL_HOSTS: `real=unix:${daemon.directory}/hostd.sock` }
  region = await startRegion(await server.createDatabase(), { env })
})
after(async () => {
  await region?.close()
  await daemon?.stop()
  await server?.remove()
})

const post = (path: string, body: object = {}, method = 'POST'): Promise<Answer> => region.ask(path, { method, body })
const made = (answer: Answer): string => {
  assert.ok(answer.status < 300, answer.text)
  return textAt(answer.json, 'data', 'id')
}
const said = async (id: string, command: string): Promise<string> => {
  const answer = await post(`/v1/sandboxes/${id}/exec`, { command })
  assert.equal(answer.status, 200, answer.text)
  return textAt(answer.json, 'data', 'stdout').trim()
}
const REMEMBER = (word: string) => `echo ${word} > /dev/shm/word; echo ${word} > /workspace/word`
const RECALL = 'cat /dev/shm/word /workspace/word | tr "\\n" " "'
const keptThere = async (): Promise<number> => {
  const rows = await region.sql('select from snapshot')
  return rows.length
}

test('a snapshot of a machine that runs is gone on from in another one, memory and disk alike', async () => {
  const id = made(await post('/v1/sandboxes', SMALL))
  await said(id, REMEMBER('first'))
  const kept = await post(`/v1/sandboxes/${id}/snapshots`, { comment: 'first' })
  const snapshot = made(kept)
  assert.equal(at(kept.json, 'data', 'status'), 'ready', kept.text)
  assert.ok(Number(at(kept.json, 'data', 'size_bytes')) > 0, kept.text)
  await said(id, REMEMBER('second'))
  const branch = made(await post(`/v1/snapshots/${snapshot}/fork`))
  assert.equal(await said(branch, RECALL), 'first first')
  assert.equal(await said(id, RECALL), 'second second')
  assert.equal((await region.ask(`/v1/snapshots/${snapshot}`, { method: 'DELETE' })).status, 204)
  assert.equal(await keptThere(), 0)
  for (const one of [id, branch]) await region.ask(`/v1/sandboxes/${one}`, { method: 'DELETE' })
})

test('children go on from where a machine is, one of them wins, and the machine goes back to what it was', async () => {
  const id = made(await post('/v1/sandboxes', SMALL))
  await said(id, REMEMBER('parent'))
  const snapshot = made(await post(`/v1/sandboxes/${id}/snapshots`))
  const forked = await post(`/v1/sandboxes/${id}/fork`, { count: 2 })
  assert.equal(forked.status, 201, forked.text)
  const [winner = '', other = ''] = (at(forked.json, 'data') as unknown[]).map((child) => textAt(child, 'id'))
  for (const child of [winner, other]) {
    // Both know the same end, which is later than asked for by what its start took.
    const [row] = await region.sql<{ ends: Date }>('select expires_at as ends from sandbox where id = $1', [child])
    const there = (await daemon.inventory()).vms.find((vm) => vm.id === child)
    assert.equal(row?.ends.getTime(), there?.expires_at_ms)
    assert.equal(await said(child, RECALL), 'parent parent')
  }
  await said(winner, REMEMBER('winner'))
  assert.equal(made(await post(`/v1/sandboxes/${id}/merge`, { winner })), id)
  assert.equal(await said(id, RECALL), 'winner winner')
  assert.equal(await said(other, RECALL), 'parent parent')
  assert.equal((await region.ask(`/v1/sandboxes/${winner}`)).status, 404)
  assert.equal(made(await post(`/v1/sandboxes/${id}/restore/${snapshot}`)), id)
  assert.equal(await said(id, RECALL), 'parent parent')
  assert.deepEqual((await daemon.inventory()).vms.map((vm) => vm.id).sort(), [id, other].sort())
  for (const one of [id, other]) await region.ask(`/v1/sandboxes/${one}`, { method: 'DELETE' })
  await region.ask(`/v1/snapshots/${snapshot}`, { method: 'DELETE' })
})

test('a space is frozen with what its machine remembers, and goes on with it in another machine', async () => {
  made(await post('/v1/spaces/lab', SMALL, 'PUT'))
  const first = made(await post('/v1/spaces/lab/open'))
  await said(first, REMEMBER('kept'))
  const frozen = await post('/v1/spaces/lab/freeze')
  assert.equal(frozen.status, 200, frozen.text)
  await until('its machine to be gone', async () => (await daemon.inventory()).vms.length === 0, READY_MS)
  const second = made(await post('/v1/spaces/lab/open'))
  assert.notEqual(second, first)
  assert.equal(await said(second, RECALL), 'kept kept')
  assert.equal((await region.ask('/v1/spaces/lab?force=true', { method: 'DELETE' })).status, 204)
  await until('nothing to be left', async () => (await daemon.inventory()).vms.length === 0, READY_MS)
  assert.equal(await keptThere(), 0)
})
