/** What is told of code, whatever the pieces in which its agent says it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type CodeEvent, codeEvents } from '../../../origin/controller/code/code-events.ts'
import { gatherCode } from '../../../origin/controller/code/gather-code.ts'
import type { RunningCode } from '../../../origin/controller/code/run-code.ts'
import { tellCode } from '../../../origin/controller/code/tell-code.ts'
import { podflareLines } from '../../../origin/controller/doors/podflare/exec.ts'
import { CODE_FRAME } from '../../../shared/contracts/guest-code.ts'
import { encodeFrame, FrameError } from '../../../shared/frames.ts'
import { LIMITS } from '../../../shared/limits.ts'

const STARTED = { context_id: 'ctx_python', execution_count: 1 }
const END = {
  exit_code: 3,
  reason: 'exit',
  duration_ms: 1,
  stdout_truncated: false,
  stderr_truncated: false,
  results_truncated: false,
  context_restarted: false,
} as const

const cut = (bytes: Uint8Array, size: number): Uint8Array[] =>
  Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) => bytes.subarray(index * size, (index + 1) * size))

/** Output in pieces of one size, as it comes to a teller. */
async function* running(text: string, pieceBytes: number): RunningCode {
  yield [{ type: 'started', started: STARTED }]
  for (const bytes of cut(Buffer.from(text), pieceBytes)) yield [{ type: 'stdout', bytes }] satisfies CodeEvent[]
  yield [{ type: 'end', end: END }]
}

const anyText = fc.stringMatching(/^[ab\nüß€😀]{0,60}$/u)

test('every form tells the same text, whatever the pieces', async () => {
  await fc.assert(
    fc.asyncProperty(anyText, fc.integer({ min: 1, max: 7 }), async (text, size) => {
      assert.equal((await gatherCode(running(text, size))).stdout, text)
      let told = ''
      for await (const batch of tellCode(running(text, size), () => 0))
        for (const { type, data } of batch) if (type === 'stdout') told += data.data
      assert.equal(told, text)
      const lines = []
      for await (const some of podflareLines(running(text, size), () => 0))
        lines.push(
          ...some
            .split('\n')
            .filter(Boolean)
            .map((line) => JSON.parse(line)),
        )
      assert.deepEqual(lines.pop(), { type: 'exit', data: 3, seq: lines.length, ts: 0 })
      assert.deepEqual(
        lines.map(({ data }) => data),
        text.endsWith('\n') || text === '' ? text.split('\n').slice(0, -1) : text.split('\n'),
      )
    }),
    { numRuns: 300 },
  )
})

test('a line that never ends is told in parts, and not kept', async () => {
  const part = 'x'.repeat(LIMITS.codeLineCharsMax + 1)
  const lines = []
  for await (const some of podflareLines(running(part + part, part.length), () => 0))
    lines.push(...some.trim().split('\n'))
  assert.deepEqual(
    lines.filter(Boolean).map((line) => JSON.parse(line).data),
    [part, part, 3],
  )
})

test('frames are read alike whatever the chunks', async () => {
  const json = (type: number, value: unknown) => encodeFrame(type, Buffer.from(JSON.stringify(value)))
  const result = Buffer.from(JSON.stringify({ text: 'ü'.repeat(50), is_main_result: true, is_truncated: false }))
  const wire = Buffer.concat([
    json(CODE_FRAME.started, STARTED),
    encodeFrame(CODE_FRAME.stdout, Buffer.from('out')),
    encodeFrame(CODE_FRAME.piece, result.subarray(0, 33)),
    encodeFrame(CODE_FRAME.result, result.subarray(33)),
    json(CODE_FRAME.exited, END),
  ])
  const read = async (size: number): Promise<CodeEvent[]> => {
    const events: CodeEvent[] = []
    async function* chunks() {
      yield* cut(wire, size)
    }
    for await (const batch of codeEvents(chunks(), 100)) events.push(...batch)
    return events
  }
  const whole = await read(wire.length)
  assert.deepEqual(
    whole.map(({ type }) => type),
    ['started', 'stdout', 'result', 'end'],
  )
  for (const size of [1, 2, 5, 40])
    assert.deepEqual(JSON.stringify(await read(size)), JSON.stringify(whole), `in chunks of ${size}`)
})

test('an agent that says any number of nothings, or of results, is not heard to the end', async () => {
  const start = encodeFrame(CODE_FRAME.started, Buffer.from(JSON.stringify(STARTED)))
  const result = Buffer.from(JSON.stringify({ text: '', is_main_result: true, is_truncated: false }))
  for (const frame of [
    encodeFrame(CODE_FRAME.stdout, new Uint8Array()),
    encodeFrame(CODE_FRAME.piece, new Uint8Array()),
    encodeFrame(CODE_FRAME.result, result),
  ]) {
    let said = 0
    async function* chunks() {
      yield start
      for (; said <= 2 * LIMITS.codeResultsMax; said += 1) yield frame
    }
    await assert.rejects(async () => {
      for await (const _ of codeEvents(chunks(), 100));
    }, FrameError)
    assert.ok(said <= LIMITS.codeResultsMax)
  }
})
