/** What ends a machine, by what its QEMU says. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConsoleLog } from '../../../origin/hostd/machine/console.ts'
import { reasonOf, watchDeath } from '../../../origin/hostd/machine/death.ts'

function watched(): { died: AbortSignal; say: (event: string, data: unknown) => void } {
  const listeners: ((event: string, data: unknown) => void)[] = []
  const qmp = {
    closed: new Promise<void>(() => {}),
    command: async () => '',
    onEvent: (listener: (event: string, data: unknown) => void) => void listeners.push(listener),
  }
  const died = watchDeath(qmp, new ConsoleLog(qmp), { accused: new AbortController().signal })
  return { died, say: (event, data) => listeners.forEach((hear) => void hear(event, data)) }
}

// It would stand for ever, and nobody who waits for it would hear why.
test('a machine that its host has no room for is of no use any more, and the reason says so', () => {
  const { died, say } = watched()
  say('BLOCK_IO_ERROR', { device: '', operation: 'write', action: 'stop', nospace: true, reason: 'No space left' })
  assert.match(reasonOf(died.reason), /The disk of its host was full/)
})

test('a disk that fails in another way is the matter of its guest, and what a broken QEMU says is nobody’s', () => {
  const { died, say } = watched()
  for (const data of [{ action: 'report' }, { action: 'ignore' }, {}, null, 'stop', undefined])
    say('BLOCK_IO_ERROR', data)
  for (const event of ['STOP', 'RESUME', 'BLOCK_JOB_ERROR']) say(event, { action: 'stop' })
  assert.equal(died.aborted, false)
})
