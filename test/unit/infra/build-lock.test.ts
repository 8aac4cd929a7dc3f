/** Two builds of the image take turns, and one that was killed holds nobody up. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { takeBuildLock } from '../../../infra/image/build-lock.ts'

const MODULE = new URL('../../../infra/image/build-lock.ts', import.meta.url).href
const HOLD = `
  const { takeBuildLock } = await import('${MODULE}')
  await takeBuildLock(process.argv[1], () => {})
  console.log('held')
  setInterval(() => {}, 1000)
`

const never = () => assert.fail('There is nobody to wait for.')

test('a lock that was freed is taken at once', async (context) => {
  const path = lockPath(context)
  await (await takeBuildLock(path, never)).free()
  await (await takeBuildLock(path, never)).free()
})

test('the second builder waits for the first', async (context) => {
  const path = lockPath(context)
  const order: string[] = []
  const first = await takeBuildLock(path, never)
  const second = takeBuildLock(path, () => order.push('waits')).then((lock) => {
    order.push('builds')
    return lock
  })
  while (order.length === 0) await new Promise((resolve) => setTimeout(resolve, 10))
  order.push('first is done')
  await first.free()
  await (await second).free()
  assert.deepEqual(order, ['waits', 'first is done', 'builds'])
})

test('a builder that was killed holds nobody up', { timeout: 30_000 }, async (context) => {
  const path = lockPath(context)
  const holder = spawn(process.execPath, ['--input-type=module', '-e', HOLD, path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(holder.stdout, 'data')
  const mine = takeBuildLock(path, () => holder.kill('SIGKILL'))
  await (await mine).free()
  assert.equal(holder.killed, true)
})

test('a wait that is called off leaves nothing behind', async (context) => {
  const path = lockPath(context)
  const first = await takeBuildLock(path, never)
  const stop = new AbortController()
  await assert.rejects(takeBuildLock(path, () => stop.abort(), stop.signal))
  await first.free()
  await (await takeBuildLock(path, never)).free()
})

function lockPath(context: { after(fn: () => void): void }): string {
  const dir = mkdtempSync(join(tmpdir(), 'atoll-lock-'))
  context.after(() => rmSync(dir, { recursive: true, force: true }))
  return join(dir, '.lock')
}
