/**
 * The wire to the agent: frames of a type (1 byte), a length (4 bytes, big endian) and JSON. See origin/guest/channel.go.
 * Node closes descriptor 3 in whatever it starts, so it belongs to this process alone.
 */
import { writeSync } from 'node:fs'
import { Socket } from 'node:net'

export const RESULT = 1
export const ERROR = 2
export const DONE = 3
const HEADER_BYTES = 5
const FULL_PAUSE_MS = 1

export class Channel {
  #descriptor
  #held = Buffer.alloc(0)

  constructor(descriptor, onCall, onEnd) {
    this.#descriptor = descriptor
    const socket = new Socket({ fd: descriptor, readable: true, writable: false })
    socket.on('data', (chunk) => this.#take(chunk, onCall))
    socket.once('close', onEnd).on('error', onEnd)
  }

  /** Written at once, because the code that shows something may go on without giving anything else a turn. */
  send(kind, value) {
    const body = Buffer.from(JSON.stringify(value))
    const frame = Buffer.alloc(HEADER_BYTES + body.length)
    frame.writeUInt8(kind)
    frame.writeUInt32BE(body.length, 1)
    body.copy(frame, HEADER_BYTES)
    for (let sent = 0; sent < frame.length; ) sent += this.#write(frame, sent)
  }

  #write(frame, from) {
    try {
      return writeSync(this.#descriptor, frame, from)
    } catch (failure) {
      if (failure.code !== 'EAGAIN') throw failure
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, FULL_PAUSE_MS)
      return 0
    }
  }

  #take(chunk, onCall) {
    this.#held = Buffer.concat([this.#held, chunk])
    while (this.#held.length >= HEADER_BYTES) {
      const end = HEADER_BYTES + this.#held.readUInt32BE(1)
      if (this.#held.length < end) return
      const call = JSON.parse(this.#held.subarray(HEADER_BYTES, end).toString())
      this.#held = this.#held.subarray(end)
      onCall(call)
    }
  }
}
