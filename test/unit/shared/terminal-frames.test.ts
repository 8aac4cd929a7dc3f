/** What a viewer may say to a terminal. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { encodeFrame, FrameDecoder, FrameError } from '../../../shared/frames.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { refusalOfMessage, TERMINAL_FRAME, type TerminalFrameType } from '../../../shared/terminal-frames.ts'

const message = (type: number, bytes: number[]): Uint8Array => Uint8Array.of(type, ...bytes)

test('a viewer types and resizes, and nothing else', () => {
  assert.equal(refusalOfMessage(message(TERMINAL_FRAME.stdin, [])), null)
  assert.equal(refusalOfMessage(message(TERMINAL_FRAME.stdin, [0, 255])), null)
  assert.equal(refusalOfMessage(message(TERMINAL_FRAME.resize, [0, 1, 3, 232])), null)
  for (const type of [1, 2, 3, 4, 6, 7, 255]) assert.match(refusalOfMessage(message(type, [])) ?? '', /Only stdin/)
  assert.match(refusalOfMessage(new Uint8Array(0)) ?? '', /Only stdin/)
})

test('a size is two numbers between one and the limit, and no other bytes make one', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 6 }), (bytes) => {
      const [cols, rows] = [(bytes[0] ?? 0) * 256 + (bytes[1] ?? 0), (bytes[2] ?? 0) * 256 + (bytes[3] ?? 0)]
      const isSize = bytes.length === 4 && [cols, rows].every((cells) => cells > 0 && cells <= LIMITS.terminalCellsMax)
      // It may stand anywhere in the memory that it came in.
      const within = Uint8Array.of(7, 7, TERMINAL_FRAME.resize, ...bytes).subarray(2)
      assert.equal(refusalOfMessage(within) === null, isSize)
    }),
  )
})

test('frames of a terminal and frames of a command are not taken for each other', () => {
  const exit = encodeFrame(TERMINAL_FRAME.exit, Uint8Array.of(0, 0, 0, 7))
  const [frame] = new FrameDecoder<TerminalFrameType>(TERMINAL_FRAME).push(exit)
  assert.deepEqual([frame?.type, [...(frame?.payload ?? [])]], [TERMINAL_FRAME.exit, [0, 0, 0, 7]])
  assert.throws(() => new FrameDecoder().push(encodeFrame(TERMINAL_FRAME.stdin, new Uint8Array(0))), FrameError)
  assert.throws(
    () => new FrameDecoder<TerminalFrameType>(TERMINAL_FRAME).push(Uint8Array.of(4, 0, 0, 0, 0)),
    FrameError,
  )
})
