/** A frame of ours between two of a stranger's: said only where one ends and the next has not begun. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { closeFrame, followFrames } from '../../../origin/controller/previews/frame-boundary.ts'

/** As a server writes it; `mask` as a client, or a server that knows no better. */
function frame(opcode: number, bytes: number, mask: boolean): Buffer {
  const length =
    bytes < 126
      ? Buffer.from([bytes])
      : bytes < 65_536
        ? Buffer.from([126, bytes >> 8, bytes & 255])
        : Buffer.concat([Buffer.from([127]), bigEndian(bytes)])
  length[0] = (length[0] ?? 0) | (mask ? 0x80 : 0)
  return Buffer.concat([Buffer.from([0x80 | opcode]), length, Buffer.alloc(mask ? 4 : 0, 7), Buffer.alloc(bytes, 0x88)])
}

function bigEndian(value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(BigInt(value))
  return bytes
}

const anyFrame = fc.record({
  opcode: fc.constantFrom(0, 1, 2, 9, 10),
  bytes: fc.oneof(fc.nat(200), fc.constantFrom(125, 126, 127, 65_535, 65_536, 70_000)),
  mask: fc.boolean(),
})

test('however frames are cut into chunks, their ends are found, and nothing else is taken for one', () => {
  fc.assert(
    fc.property(
      fc.array(anyFrame, { maxLength: 6 }),
      fc.infiniteStream(fc.integer({ min: 1, max: 5_000 })),
      (frames, cuts) => {
        const follow = followFrames()
        for (const { opcode, bytes, mask } of frames) {
          const whole = frame(opcode, bytes, mask)
          for (let at = 0; at < whole.length; ) {
            assert.equal(follow.isOpen(), at === 0)
            const size = cuts.next().value ?? 1
            follow.pass(whole.subarray(at, at + size))
            at += size
          }
          assert.equal(follow.isOpen(), true)
        }
      },
    ),
  )
})

test('after a close of theirs there is none of ours', () => {
  const follow = followFrames()
  follow.pass(frame(8, 2, false))
  assert.equal(follow.isOpen(), false)
  follow.pass(frame(1, 3, false))
  assert.equal(follow.isOpen(), false)
})

test('a close of ours is a frame with its code and its reason', () => {
  const bytes = closeFrame(1012, 'come back')
  assert.deepEqual([...bytes.subarray(0, 4)], [0x88, 11, 1012 >> 8, 1012 & 255])
  assert.equal(Buffer.from(bytes.subarray(4)).toString(), 'come back')
  const follow = followFrames()
  follow.pass(bytes)
  assert.equal(follow.isOpen(), false)
})
