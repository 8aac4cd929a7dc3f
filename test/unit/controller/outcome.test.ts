/** "Never happened" and "may have happened": a command is sent again only after the first, so the two must never be mixed up. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { troubleOfAnswer, troubleOfFrame, troubleOfThrown } from '../../../origin/controller/hosts/outcome.ts'
import { readRun } from '../../../origin/controller/hosts/run-stream.ts'
import { AppError, errorBody } from '../../../shared/errors.ts'
import { encodeFrame, encodeJsonFrame, FRAME } from '../../../shared/frames.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { usedBytes } from '../../harness/used-bytes.ts'

test('only a host that says so, or that was not reached, counts as not executed', () => {
  const body = errorBody(new AppError('capacity_exhausted', 'full'), 'r')
  assert.equal(troubleOfAnswer(503, true, body).kind, 'refused')
  assert.equal(troubleOfAnswer(503, false, body).kind, 'failed')
  fc.assert(fc.property(fc.anything(), (nonsense) => troubleOfAnswer(500, true, nonsense).kind === 'unknown'))
  for (const code of ['ECONNREFUSED', 'ENOENT'])
    assert.equal(troubleOfThrown(Object.assign(new Error(), { code })).kind, 'refused')
  for (const code of ['ECONNRESET', 'UND_ERR_SOCKET', 'EPIPE', 'ABORT_ERR'])
    assert.equal(troubleOfThrown(Object.assign(new Error(), { code })).kind, 'unknown')
})

test('what a host says in words of its own is never shown to a caller', () => {
  for (const code of ['internal', 'no_such_code']) {
    const trouble = troubleOfFrame({ code, message: '/var/lib/secret is full' })
    assert.equal(trouble.error.code, 'host_unavailable')
    assert.ok(!trouble.error.message.includes('secret'))
  }
})

const exited = encodeJsonFrame(FRAME.exited, {
  exit_code: 0,
  reason: 'exit',
  duration_ms: 1,
  stdout_truncated: false,
  stderr_truncated: false,
})
async function* stream(...chunks: Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks
}

// The bytes come from a hostile guest: whatever they are, the controller neither throws nor takes them for a success.
test('any bytes are an end that is whole, failed or unknown, and never an exception', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 40 })), async (chunks) => {
      const run = await readRun(stream(...chunks), {})
      if (run.kind === 'ran') assert.ok(run.exit === null || run.exit.facts.exit_code >= 0)
    }),
    { numRuns: 1_000 },
  )
})

test('a flood of output is cut at the limit and marked, and the streams stay apart', async () => {
  const chunk = encodeFrame(FRAME.stdout, new Uint8Array(LIMITS.frameBytesMax).fill(97))
  const flood = Array.from({ length: LIMITS.execOutputBytesMax / LIMITS.frameBytesMax + 3 }, () => chunk)
  const run = await readRun(stream(...flood, encodeFrame(FRAME.stderr, new Uint8Array([98])), exited), {})
  assert.ok(run.kind === 'ran' && run.exit !== null)
  assert.equal(run.exit.stdout.length, LIMITS.execOutputBytesMax)
  assert.equal(run.exit.stderr.toString(), 'b')
  assert.equal(run.exit.truncated, true)
})

// A customer's own machine, or a program that prints letter by letter, would fill the memory that all tenants share.
test('output that comes in single bytes is held as cheaply as the same in one piece', async () => {
  const count = 1_000_000
  const many = Buffer.concat(Array.from({ length: 10_000 }, () => encodeFrame(FRAME.stdout, new Uint8Array([97]))))
  let heldBytes = 0
  async function* letters(): AsyncGenerator<Uint8Array> {
    const before = usedBytes()
    for (let sent = 0; sent < count; sent += 10_000) yield many
    heldBytes = usedBytes() - before
    yield exited
  }
  const run = await readRun(letters(), {})
  assert.ok(run.kind === 'ran' && run.exit?.stdout.length === count)
  assert.ok(heldBytes < 8 * count, `${heldBytes} bytes are held for ${count}`)
})
