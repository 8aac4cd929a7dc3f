/** What a machine's console said: bounded, harmless, and read by number. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ConsoleLog, harmless } from '../../../origin/hostd/machine/console.ts'
import { bytesOf, cpuMsOf } from '../../../origin/hostd/qemu/process-usage.ts'
import { LIMITS } from '../../../shared/limits.ts'

/** QEMU's ring: reading takes what is in it. */
function ring() {
  let bytes = Buffer.alloc(0)
  return {
    write: (text: string | Uint8Array) => {
      bytes = Buffer.concat([bytes, Buffer.from(text as string)])
    },
    command: async () => {
      const all = bytes.toString('base64')
      bytes = Buffer.alloc(0)
      return all
    },
  }
}

test('lines are numbered, and a reader goes on where it was, however the bytes came', async () => {
  const qemu = ring()
  const log = new ConsoleLog(qemu)
  qemu.write('one\r\ntwo\r\nthr')
  assert.deepEqual(await log.read(10), { lines: ['one', 'two'], next: 2 })
  qemu.write('ee ü'.slice(0, 3))
  const [first, second] = [Buffer.from('ü\n').subarray(0, 1), Buffer.from('ü\n').subarray(1)]
  qemu.write(first)
  assert.deepEqual(await log.read(10, 2), { lines: [], next: 2 })
  qemu.write(second)
  assert.deepEqual(await log.read(10, 2), { lines: ['three ü'], next: 3 })
  assert.deepEqual(await log.read(1), { lines: ['three ü'], next: 3 })
  // The number is from before a restart of the daemon.
  assert.deepEqual(await log.read(10, 77), { lines: ['one', 'two', 'three ü'], next: 3 })
  qemu.write('panic')
  assert.equal(await log.text(), 'one\ntwo\nthree ü\npanic')
})

test('whatever a guest prints, what is kept is bounded and cannot harm a terminal or a log', async () => {
  const hostile = fc.oneof(
    fc.uint8Array({ maxLength: 400 }),
    fc
      .constantFrom('\x1b[2J', '\x1b]0;title\x07', '\x9b31m', '\u202e', '\0', '\r', '\n', '\u2028', '\ud800')
      .map((text) => Buffer.from(text)),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(hostile, { maxLength: 40 }), async (writes) => {
      const qemu = ring()
      const log = new ConsoleLog(qemu)
      for (const bytes of writes) {
        qemu.write(bytes)
        const { lines, next } = await log.read(LIMITS.consoleLinesMax)
        assert.ok(next >= lines.length)
        for (const line of lines) {
          assert.ok(line.length <= LIMITS.consoleLineCharsMax * 8 && line.isWellFormed())
          assert.doesNotMatch(line, /[\p{Cc}\p{Cf}\u2028\u2029]/u)
        }
      }
    }),
    { numRuns: 200 },
  )
  assert.equal(harmless('\x1b[31mred\x1b[0m\tend\r'), 'red        end')
})

test('a guest that prints for ever costs the host no more than its console may', async () => {
  const qemu = ring()
  const log = new ConsoleLog(qemu)
  for (let i = 0; i < 20; i++) {
    qemu.write(`${'x'.repeat(100)}\n`.repeat(1_000))
    await log.read(1)
    qemu.write('y'.repeat(100_000))
    await log.read(1)
    qemu.write('\n'.repeat(LIMITS.guestConsoleBytesMax))
    await log.read(1)
  }
  qemu.write('z'.repeat(LIMITS.guestConsoleBytesMax))
  assert.ok((await log.text()).length <= LIMITS.guestConsoleBytesMax + LIMITS.consoleLineCharsMax)
})

test('a process that calls itself whatever it likes does not shift the numbers that are read of it', () => {
  const stat = '77 (qemu) S 9 9) R 1 77 77 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 5 0'
  assert.equal(cpuMsOf(stat), 3_000)
  assert.equal(bytesOf('VmRSS:\t  2048 kB\nRssAnon:\t 12 kB\n', 'RssAnon'), 12 * 1_024)
})
