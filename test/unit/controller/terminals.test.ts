/** What holds a viewer of a terminal up, what ends it, and in which words. */
import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { test } from 'node:test'
import type { WebSocket } from 'ws'
import { closeCodeOf, closeReason } from '../../../origin/controller/terminals/close-code.ts'
import { countMessages, holdSocket } from '../../../origin/controller/terminals/hold-socket.ts'
import { watchPulse } from '../../../origin/controller/terminals/watch-pulse.ts'
import { AppError, ERRORS, type ErrorCode } from '../../../shared/errors.ts'
import { TERMINAL_CLOSE } from '../../../shared/terminal-frames.ts'
import { until } from '../../harness/until.ts'

// One that goes on because another reason is gone would fill the memory that the first one protects.
test('a viewer goes on only when nothing holds it up any more', () => {
  let isPaused = false
  const pausing = { pause: () => (isPaused = true), resume: () => (isPaused = false) }
  const { hold, letGo } = holdSocket(pausing as unknown as WebSocket)
  hold('terminal is behind')
  hold('too many messages')
  letGo('terminal is behind')
  assert.ok(isPaused)
  letGo('too many messages')
  assert.ok(!isPaused)
})

test('a flood is held up at the limit, and let go when its second is over', async () => {
  let letGo = 0
  const messages = countMessages(() => (letGo += 1), 10)
  try {
    assert.deepEqual(
      Array.from({ length: 30 }, () => messages.isOver())
        .map(Number)
        .indexOf(1),
      9,
    )
    await until('the end of the second', () => letGo === 1)
    assert.equal(messages.isOver(), false)
  } finally {
    messages.stop()
  }
})

test('a viewer who does not answer is hung up on, one who does is not, and one who is held up is not asked', async () => {
  class Peer extends EventEmitter {
    isPaused = false
    pings = 0
    answers = true
    ping() {
      this.pings += 1
      if (this.answers) this.emit('pong')
    }
    terminate() {
      this.emit('close')
    }
  }
  const [alive, held, dead] = [new Peer(), new Peer(), new Peer()]
  held.isPaused = true
  held.answers = false
  dead.answers = false
  let hasLeft = false
  for (const peer of [alive, held]) peer.once('close', () => (hasLeft = true))
  const gone = once(dead, 'close')
  for (const peer of [alive, held, dead]) watchPulse(peer as unknown as WebSocket, 20)
  await gone
  await until('more pings', () => alive.pings > 5 && held.pings > 5)
  assert.ok(!hasLeft)
  for (const peer of [alive, held]) peer.terminate()
})

test('a viewer hears whether it is worth connecting again', () => {
  const code = (name: ErrorCode) => closeCodeOf(new AppError(name, 'Why.'))
  assert.equal(code('sandbox_paused'), TERMINAL_CLOSE.paused)
  assert.equal(code('sandbox_lost'), TERMINAL_CLOSE.gone)
  assert.equal(code('revoked_token'), TERMINAL_CLOSE.refused)
  for (const name of ['draining', 'guest_unreachable', 'host_unavailable', 'sandbox_replaced'] as const)
    assert.equal(code(name), TERMINAL_CLOSE.restart)
  const known = new Set<number>(Object.values(TERMINAL_CLOSE))
  for (const name of Object.keys(ERRORS) as ErrorCode[]) assert.ok(known.has(code(name)))
})

// What is too long for a control frame, or ends in the middle of a character, would make the close itself fail.
test('a reason fits into a close, whatever it is', () => {
  for (const reason of ['', 'short', 'ä'.repeat(200), `${'x'.repeat(122)}€€`, '🙂'.repeat(50)]) {
    const told = closeReason(reason)
    assert.ok(Buffer.byteLength(told) <= 123 && reason.startsWith(told), told)
  }
})
