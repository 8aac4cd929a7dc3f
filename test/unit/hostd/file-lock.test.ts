import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { lockFile } from '../../../origin/hostd/file-lock.ts'

const lockModule = fileURLToPath(new URL('../../../origin/hostd/file-lock.ts', import.meta.url))

test('a lock has one holder, and its holder’s death frees it', async () => {
  const directory = await mkdtemp('/tmp/atoll-lock-')
  const path = `${directory}/lock`
  const program = `const { lockFile } = await import(${JSON.stringify(lockModule)})
    await lockFile(${JSON.stringify(path)}, 5_000); console.log('held'); setInterval(() => {}, 1_000)`
  const holder = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  try {
    await once(holder.stdout, 'data')
    await assert.rejects(lockFile(path, 50), /busy with the same files/)
    holder.kill('SIGKILL')
    const lock = await lockFile(path, 5_000)
    await lock[Symbol.asyncDispose]()
    const again = await lockFile(path, 50)
    await again[Symbol.asyncDispose]()
  } finally {
    holder.kill('SIGKILL')
    await rm(directory, { recursive: true, force: true })
  }
})
