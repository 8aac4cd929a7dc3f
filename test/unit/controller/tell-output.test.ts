/** What a process says, cut into lines that can be gone on with at any place, however the bytes came. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { ToldEvent } from '../../../origin/controller/http/told-events.ts'
import { cutAtCharacter } from '../../../origin/controller/processes/cut-at-character.ts'
import { LineCutter } from '../../../origin/controller/processes/line-cutter.ts'
import { BEGINNING, type OutputCursor, readCursor } from '../../../origin/controller/processes/output-cursor.ts'
import { lastLines } from '../../../origin/controller/processes/read-tail.ts'
import { OutputTeller } from '../../../origin/controller/processes/tell-output.ts'
import { encodeJsonFrame, FRAME, FrameDecoder } from '../../../shared/frames.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { usedBytes } from '../../harness/used-bytes.ts'
import { exited, output } from '../../integration/controller/support/process-agent.ts'

const clock = () => 0
const framesOf = (...wire: Uint8Array[]) => new FrameDecoder().push(Buffer.concat(wire))
const tell = (from: OutputCursor, ...wire: Uint8Array[]): ToldEvent[] =>
  new OutputTeller(from, clock).tell(framesOf(...wire))
const lines = (events: ToldEvent[], type: string): unknown[] =>
  events.filter((one) => one.type === type).map(({ data }) => data.line)

type Piece = { isErr: boolean; bytes: Uint8Array }
const piece = fc.record({
  isErr: fc.boolean(),
  bytes: fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 20 }),
    fc.constantFrom('a\n', '\n\n', 'é', '\nb', 'long '.repeat(20)).map((text) => new TextEncoder().encode(text)),
  ),
})

/** As an agent sends it that has been told how far its reader is. */
function wireOf(pieces: Piece[], from: OutputCursor): Uint8Array[] {
  const at = { out: 0, err: 0 }
  const wire = pieces.flatMap(({ isErr, bytes }) => {
    const stream = isErr ? 'err' : 'out'
    const seen = Math.min(Math.max((isErr ? from.stderr : from.stdout) - at[stream], 0), bytes.length)
    const position = at[stream] + seen
    at[stream] += bytes.length
    return seen === bytes.length ? [] : [output(bytes.slice(seen), position, isErr ? FRAME.stderr : FRAME.stdout)]
  })
  return [...wire, exited(0)]
}
const linesOf = (pieces: Piece[], isErr: boolean): string[] => {
  const bytes = Buffer.concat(pieces.filter((one) => one.isErr === isErr).map((one) => one.bytes))
  const cut: string[] = []
  let rest = bytes
  for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
    cut.push(rest.subarray(0, end).toString('utf8'))
    rest = rest.subarray(end + 1)
  }
  return rest.length === 0 ? cut : [...cut, rest.toString('utf8')]
}

// Whoever reads a log twice, or not at all, after their connection broke, cannot rely on it.
test('a stream that breaks off anywhere goes on from its last cursor without a line twice or a line too few', () => {
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), fc.nat(), (pieces, where) => {
      const whole = tell(BEGINNING, ...wireOf(pieces, BEGINNING))
      assert.deepEqual(lines(whole, 'stdout'), linesOf(pieces, false))
      assert.deepEqual(lines(whole, 'stderr'), linesOf(pieces, true))
      assert.deepEqual(
        whole.map(({ seq }) => seq),
        whole.map((_, index) => index + 1),
      )
      const heard = whole.slice(0, where % whole.length)
      const cursor = readCursor(heard.at(-1)?.cursor ?? '0.0.0') ?? BEGINNING
      const again = [...heard, ...tell(cursor, ...wireOf(pieces, cursor))]
      for (const type of ['stdout', 'stderr', 'exit']) assert.deepEqual(lines(again, type), lines(whole, type))
      assert.deepEqual(
        again.map(({ seq }) => seq),
        again.map((_, index) => index + 1),
      )
    }),
    { numRuns: 500 },
  )
})

test('a line without an end is told in parts of whole characters', () => {
  const euros = Buffer.from('€'.repeat(30_000))
  const pieces = [output(euros.subarray(0, 40_001), 0), output(euros.subarray(40_001), 40_001), exited(0)]
  const told = tell(BEGINNING, ...pieces).filter(({ type }) => type === 'stdout')
  assert.equal(told.map(({ data }) => data.line).join(''), '€'.repeat(30_000))
  assert.deepEqual(
    told.map(({ data }) => data.partial),
    [true, true, undefined],
  )
  assert.ok(told.every(({ data }) => Buffer.from(String(data.line)).length <= LIMITS.streamLineBytesMax))
})

// Dots of progress in a thousand streams would fill the memory that all tenants share.
test('lines that come letter by letter are held as cheaply as those that come whole', () => {
  const [streams, letters] = [20, 30_000]
  const before = usedBytes()
  const cutters = Array.from({ length: streams }, () => new LineCutter(0))
  for (const cutter of cutters)
    for (let n = 0; n < letters; n++) for (const _ of cutter.push(Buffer.from('a'))) assert.fail()
  const heldBytes = usedBytes() - before
  assert.ok(heldBytes < 8 * streams * letters, `${heldBytes} bytes are held for ${streams * letters}`)
  for (const cutter of cutters) assert.deepEqual([...cutter.end()], [{ text: 'a'.repeat(letters), isPart: false }])
})

test('what is lost is said to be, and a line that it broke is not joined with what follows', () => {
  const lost = encodeJsonFrame(FRAME.lost, { stdout_bytes: 10, stderr_bytes: 0 })
  const told = tell(BEGINNING, output('begun', 0), lost, output('end\n', 15), exited(0))
  assert.deepEqual(
    told.map(({ type, data }) => [type, data.line ?? data.stdout_bytes]),
    [
      ['stdout', 'begun'],
      ['lost', 10],
      ['stdout', 'end'],
      ['exit', undefined],
    ],
  )
  assert.equal(told[2]?.cursor, '3.19.0')
})

test('an agent that says what no agent of ours does is not passed on', () => {
  const cases: Uint8Array[][] = [
    [output('a', 1)],
    [output('a', 0), output('b', 0)],
    [output('', 0)],
    [exited(0), output('a', 0)],
    [exited(0), exited(0)],
    [exited(256)],
    [encodeJsonFrame(FRAME.lost, { stdout_bytes: -1, stderr_bytes: 0 })],
    [encodeJsonFrame(FRAME.started, { pid: 1 })],
    [encodeJsonFrame(FRAME.exited, {})],
  ]
  for (const wire of cases) assert.throws(() => tell(BEGINNING, ...wire))
})

test('bytes are cut between characters, and the last lines are those that a reader would count', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 40 }), fc.nat(60), (text, most) => {
      const cut = cutAtCharacter(Buffer.from(text), most)
      assert.ok(cut.length <= most)
      assert.ok(text.startsWith(cut.toString('utf8')))
    }),
  )
  const cases: [string, number, string][] = [
    ['', 3, ''],
    ['a\nb\nc\n', 2, 'b\nc\n'],
    ['a\nb\nc', 2, 'b\nc'],
    ['a\nb', 9, 'a\nb'],
    ['\n\n', 1, '\n'],
    ['\na', 1, 'a'],
  ]
  for (const [text, count, tail] of cases) assert.equal(lastLines(text, count), tail, JSON.stringify(text))
})
