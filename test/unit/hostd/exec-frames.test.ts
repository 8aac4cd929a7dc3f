/** What a guest sends as the answer to an exec is held to the contract, whoever wrote it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { checkedFrames, refusalFrames } from '../../../origin/hostd/guest/exec-frames.ts'
import { execExit } from '../../../shared/contracts/guest.ts'
import { encodeFrame, encodeJsonFrame, FRAME, type Frame, FrameError, frameJson } from '../../../shared/frames.ts'

const STARTED = encodeJsonFrame(FRAME.started, { pid: 12 })
const EXITED = encodeJsonFrame(FRAME.exited, {
  exit_code: 0,
  reason: 'exit',
  duration_ms: 3,
  stdout_truncated: false,
  stderr_truncated: false,
})
const stdout = (text: string) => encodeFrame(FRAME.stdout, Buffer.from(text))

async function read(chunks: Uint8Array[], outputBytesMax = 100): Promise<{ frames: Frame[]; end: string }> {
  const frames: Frame[] = []
  const reader = checkedFrames(pieces(chunks), { output_bytes_max: outputBytesMax })
  for (;;) {
    const step = await reader.next()
    if (step.done === true) return { frames, end: step.value }
    frames.push(step.value)
  }
}

async function* pieces(chunks: Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks
}

test('a whole command is read, however its bytes were cut', async () => {
  const whole = Buffer.concat([STARTED, stdout('hi'), EXITED])
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(whole.length), { maxLength: 8 }), async (cuts) => {
      const edges = [0, ...cuts.sort((a, b) => a - b), whole.length]
      const chunks = edges.slice(1).map((end, index) => whole.subarray(edges[index], end))
      const { frames, end } = await read(chunks)
      assert.equal(end, 'exited')
      assert.deepEqual(
        frames.map((frame) => frame.type),
        [FRAME.started, FRAME.stdout, FRAME.exited],
      )
    }),
  )
})

// A hostile guest may end its own command in any way it likes, and nothing else.
test('any bytes at all either end the stream or are a FrameError', async () => {
  const anything = fc.array(fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.constantFrom(STARTED, EXITED, stdout('x'))))
  await fc.assert(
    fc.asyncProperty(anything, async (chunks) => {
      try {
        assert.ok(['exited', 'cut off'].includes((await read(chunks)).end))
      } catch (thrown) {
        assert.ok(thrown instanceof FrameError, String(thrown))
      }
    }),
    { numRuns: 1_000 },
  )
})

test('a stream that ends without an end is cut off', async () => {
  assert.equal((await read([STARTED, stdout('hi')])).end, 'cut off')
  assert.equal((await read([])).end, 'cut off')
})

const LIES: [what: string, chunks: Uint8Array[]][] = [
  ['output before the start', [stdout('hi'), STARTED]],
  ['two starts', [STARTED, STARTED]],
  ['more output than was asked for', [STARTED, stdout('x'.repeat(60)), stdout('x'.repeat(60))]],
  ['output that is empty, and so would have no end', [STARTED, stdout('')]],
  ['a frame that only a host sends', [STARTED, encodeJsonFrame(FRAME.ready, {})]],
  ['an end that is not JSON', [STARTED, encodeFrame(FRAME.exited, Buffer.from('{'))]],
  ['an end with an impossible code', [STARTED, encodeJsonFrame(FRAME.exited, { exit_code: 1_000, reason: 'exit' })]],
]
for (const [what, chunks] of LIES) {
  test(`${what} is a FrameError`, async () => {
    await assert.rejects(read(chunks), FrameError)
  })
}

test('a refusal reads like a shell’s: a line on stderr and its exit code', () => {
  const [said, ended] = refusalFrames({ code: 'program_not_found', message: 'nope: command not found', exit_code: 127 })
  assert.ok(said !== undefined && ended !== undefined)
  assert.equal(Buffer.from(said.payload).toString(), 'nope: command not found\n')
  assert.equal(execExit.parse(frameJson(ended)).exit_code, 127)
})

// A frame costs everybody who passes it on; a guest that cuts its output into single bytes must not make it dearer.
test('output that comes at once is one frame, whole and in order, and no frame is longer than allowed', async () => {
  const pieces = fc.array(fc.record({ isErr: fc.boolean(), text: fc.string({ minLength: 1, maxLength: 5 }) }))
  await fc.assert(
    fc.asyncProperty(pieces, async (parts) => {
      const output = parts.map(({ isErr, text }) => encodeFrame(isErr ? FRAME.stderr : FRAME.stdout, Buffer.from(text)))
      const { frames } = await read([Buffer.concat([STARTED, ...output, EXITED])], 10_000)
      const said = frames.slice(1, -1)
      for (const type of [FRAME.stdout, FRAME.stderr]) {
        const whole = parts.filter(({ isErr }) => isErr === (type === FRAME.stderr)).map(({ text }) => text)
        const got = said.filter((frame) => frame.type === type).map(({ payload }) => payload)
        assert.equal(Buffer.concat(got).toString(), whole.join(''))
      }
      for (const [index, { type }] of said.entries()) assert.notEqual(type, said[index + 1]?.type)
    }),
  )
  const long = encodeFrame(FRAME.stdout, new Uint8Array(40_000).fill(1))
  const { frames } = await read([Buffer.concat([STARTED, long, long, EXITED])], 100_000)
  assert.deepEqual(
    frames.slice(1, -1).map(({ payload }) => payload.length),
    [40_000, 40_000],
  )
})
