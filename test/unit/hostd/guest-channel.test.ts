/** What a guest may send beside payload, as it is counted. */
import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { Channel } from '../../../origin/hostd/guest/channel.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { UNWATCHED } from '../../integration/guest/unwatched.ts'

const MIB = 1024 * 1024

/** Whether a guest is taken for a flood that has read and sent so many bytes in no time. */
function isFlood(
  socket: { bytesRead: number; bytesWritten: number },
  read: (channel: Channel) => void = () => undefined,
): boolean {
  let isDestroyed = false
  const http2 = Object.assign(new EventEmitter(), { destroy: () => (isDestroyed = true) })
  const counted = { bytesRead: 0, bytesWritten: 0 }
  read(new Channel(http2 as unknown as ClientHttp2Session, counted, UNWATCHED.wire))
  Object.assign(counted, socket)
  http2.emit('close')
  return isDestroyed
}

// Our agent acknowledges each 16 KiB of an upload in 26 bytes: on a fast machine that alone is more than a silent guest may say.
test('an agent may acknowledge an upload, however fast it goes', () => {
  assert.equal(isFlood({ bytesWritten: 1024 * MIB, bytesRead: (1024 * MIB * 26) / (16 * 1024) }), false)
})

test('an agent that sends more than acknowledgements is a flood, with an upload or without', () => {
  assert.equal(isFlood({ bytesWritten: 0, bytesRead: 2 * MIB }), true)
  assert.equal(isFlood({ bytesWritten: 64 * MIB, bytesRead: (64 * MIB) / LIMITS.guestPieceBytesMin + 2 * MIB }), true)
})

// Fifty readers that are slower than their sandbox would have it ended: as much as fits into their windows comes at once.
test('what slow readers have been sent and have not read yet is payload, too', () => {
  const streams = 50
  const bytesRead = streams * LIMITS.guestWindowBytes
  const readSlowly = (channel: Channel): void => {
    for (let index = 0; index < streams; index++) {
      const stream = new PassThrough({ highWaterMark: LIMITS.guestWindowBytes })
      channel.counted(stream as unknown as ClientHttp2Stream)
      stream.write(Buffer.alloc(LIMITS.guestWindowBytes))
    }
  }
  assert.equal(isFlood({ bytesRead, bytesWritten: 0 }, readSlowly), false)
  assert.equal(isFlood({ bytesRead, bytesWritten: 0 }), true)
})
