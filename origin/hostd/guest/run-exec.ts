/** One command over a session, from the request to the frame that says how it ended. */
import { constants } from 'node:http2'
import { type GuestExec, guestRefusal } from '../../../shared/contracts/guest.ts'
import { AppError } from '../../../shared/errors.ts'
import { type Frame, FrameError } from '../../../shared/frames.ts'
import type { Channel } from './channel.ts'
import { checkedFrames, refusalFrames } from './exec-frames.ts'
import { unreachable } from './handshake.ts'
import { ask, readAnswer } from './request.ts'

/**
 * The command begins when the first frame is asked for. Leaving the loop early resets the stream, which kills it. How long
 * a guest may take is bounded by the signal only: the machine may be paused meanwhile, and nobody here would know.
 */
export async function* runExec(channel: Channel, exec: GuestExec, signal?: AbortSignal): AsyncGenerator<Frame, void> {
  const answer = await ask(channel.http2, { method: 'POST', path: '/v1/exec', body: exec, signal, limitMs: null })
  try {
    if (answer.status === 422) return yield* refusalFrames(await readAnswer(answer, guestRefusal))
    if (answer.status !== 200) throw unreachable(`The agent in the sandbox refused the command (${answer.status}).`)
    const end = yield* checkedFrames(channel.read(answer.stream), exec, () => channel.takeFrame())
    if (end === 'cut off') throw unreachable('The sandbox hung up while the command ran.')
  } catch (cause) {
    signal?.throwIfAborted()
    throw cause instanceof AppError || cause instanceof FrameError
      ? cause
      : unreachable('The sandbox was lost while the command ran.', cause)
  } finally {
    answer.stream.close(constants.NGHTTP2_CANCEL)
  }
}
