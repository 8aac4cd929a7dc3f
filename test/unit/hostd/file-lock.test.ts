import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { lockFile, tryLockFile } from '../../../origin/hostd/file-lock.ts'

const lockModule = fileURLToPath(new URL('../../../origin/hostd/file-lock.ts', import.meta.url))

test('a lock has one holder, and its holder’s death frees it', async () => {
  const directory = await mkdtemp('/tmp/atoll-lock-')
  const path = `${directory}/lock`
  const program = `const { lockFile } = await import(${JSON.stringify(lockModule)})
    await lockFile(${JSON.stringify(path)}, 60_000); console.log('held'); setInterval(() => {}, 1_000)`
  const holder = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  try {
    await once(holder.stdout, 'data')
    await assert.rejects(lockFile(path, 50), /busy with the same files/)
    holder.kill('SIGKILL')
    const lock = await lockFile(path, 60_000)
    await lock[Symbol.asyncDispose]()
    const again = await lockFile(path, 50)
    await again[Symbol.asyncDispose]()
  } finally {
    holder.kill('SIGKILL')
    await rm(directory, { recursive: true, force: true })
  }
})

test('whoever comes second waits for the first', async () => {
  const directory = await mkdtemp('/tmp/atoll-lock-')
  const path = `${directory}/lock`
  try {
    const order: string[] = []
    const first = await lockFile(path, 60_000)
    assert.equal(await tryLockFile(path, 0), null)
    const second = lockFile(path, 60_000).then((lock) => {
      order.push('second')
      return lock
    })
    await sleep(100)
    order.push('first is done')
    await first[Symbol.asyncDispose]()
    await (await second)[Symbol.asyncDispose]()
    assert.deepEqual(order, ['first is done', 'second'])
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
})

test('a wait that is called off ends at once and leaves nothing behind', async () => {
  const directory = await mkdtemp('/tmp/atoll-lock-')
  const path = `${directory}/lock`
  try {
    const first = await lockFile(path, 60_000)
    await assert.rejects(tryLockFile(path, 60_000, AbortSignal.timeout(100)), { name: 'TimeoutError' })
    await first[Symbol.asyncDispose]()
    const next = await lockFile(path, 0)
    await next[Symbol.asyncDispose]()
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
})

// Ctrl-C reaches every process of the terminal's group at once; the one that holds the lock still has to clean up under it.
test('an interrupt that hits the whole process group does not free the lock before its holder ends', async () => {
  const directory = await mkdtemp('/tmp/atoll-lock-')
  const path = `${directory}/lock`
  const program = `const { lockFile } = await import(${JSON.stringify(lockModule)})
    process.on('SIGINT', () => console.log('still here'))
    await lockFile(${JSON.stringify(path)}, 60_000); console.log('held'); setInterval(() => {}, 1_000)`
  const holder = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  })
  try {
    await once(holder.stdout, 'data')
    assert.ok(holder.pid !== undefined)
    process.kill(-holder.pid, 'SIGINT')
    await once(holder.stdout, 'data')
    await assert.rejects(lockFile(path, 100), /busy with the same files/)
  } finally {
    holder.kill('SIGKILL')
    await rm(directory, { recursive: true, force: true })
  }
})
