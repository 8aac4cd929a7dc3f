import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { encodeFrame, FRAME, type Frame, FrameDecoder, FrameError, type FrameType } from '../../../shared/frames.ts'
import { LIMITS } from '../../../shared/limits.ts'

const anyType = fc.constantFrom<FrameType>(...Object.values(FRAME))
const anyFrame: fc.Arbitrary<Frame> = fc.record({ type: anyType, payload: fc.uint8Array({ maxLength: 300 }) })

/** Cuts bytes at arbitrary places, as a network does. */
function chunks(bytes: Uint8Array, cuts: number[]): Uint8Array[] {
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b)
  return [0, ...places].map((from, i) => bytes.slice(from, [...places, bytes.length][i]))
}

test('frames arrive whole and in order, however the stream was cut', () => {
  fc.assert(
    fc.property(fc.array(anyFrame), fc.array(fc.nat()), (frames, cuts) => {
      const bytes = Buffer.concat(frames.map((frame) => encodeFrame(frame.type, frame.payload)))
      const decoder = new FrameDecoder()
      const seen = chunks(bytes, cuts).flatMap((chunk) => decoder.push(chunk))
      assert.deepEqual(
        seen.map((frame) => [frame.type, [...frame.payload]]),
        frames.map((frame) => [frame.type, [...frame.payload]]),
      )
      assert.ok(decoder.isAtBoundary)
    }),
  )
})

test('a stream that ends inside a frame is told from one that ended well', () => {
  const decoder = new FrameDecoder()
  decoder.push(encodeFrame(FRAME.stdout, new Uint8Array(10)).subarray(0, 12))
  assert.ok(!decoder.isAtBoundary)
})

// A guest is hostile: a length of 4 GiB must not make the host wait for, or hold, 4 GiB.
test('garbage is refused at once, and never held beyond one frame', () => {
  assert.throws(() => new FrameDecoder().push(Uint8Array.of(4, 0xff, 0xff, 0xff, 0xff)), FrameError)
  assert.throws(() => new FrameDecoder().push(Uint8Array.of(99, 0, 0, 0, 0)), FrameError)
  assert.throws(() => encodeFrame(FRAME.stdout, new Uint8Array(LIMITS.frameBytesMax + 1)), FrameError)
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 2_000 })), (noise) => {
      const decoder = new FrameDecoder()
      try {
        for (const chunk of noise) decoder.push(chunk)
      } catch (thrown) {
        assert.ok(thrown instanceof FrameError)
      }
    }),
  )
})

// A guest that sends its output byte by byte must not buy a second of the host's time with every 64 KiB.
test('a frame that comes byte by byte costs time in proportion to its length', () => {
  const msOf = (payloadBytes: number): number => {
    const bytes = encodeFrame(FRAME.stdout, new Uint8Array(payloadBytes))
    const decoder = new FrameDecoder()
    const from = performance.now()
    const frames = Array.from(bytes, (_, at) => decoder.push(bytes.subarray(at, at + 1))).flat()
    assert.equal(frames[0]?.payload.length, payloadBytes)
    return performance.now() - from
  }
  const bestOf = (payloadBytes: number): number => Math.min(...[1, 2, 3].map(() => msOf(payloadBytes)))
  const [part, whole] = [bestOf(LIMITS.frameBytesMax / 16), bestOf(LIMITS.frameBytesMax)]
  assert.ok(whole < 16 * 8 * Math.max(part, 1), `${part} ms for a sixteenth, ${whole} ms for the whole`)
})
