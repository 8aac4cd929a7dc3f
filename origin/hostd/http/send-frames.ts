/** An answer that is a stream of frames, written as fast as the reader takes them. */
import type { ServerResponse } from 'node:http'
import { FRAMES_TYPE } from '../../../shared/contracts/host.ts'
import { encodeFrame, encodeJsonFrame, FRAME, type Frame } from '../../../shared/frames.ts'
import { asAppError } from './answer-error.ts'

/**
 * Rejects when there is not even a first frame: then the answer is still open for an error of its own. Afterwards an
 * error is the last frame. `logged` hears of it.
 */
export async function sendFrames(
  outgoing: ServerResponse,
  frames: AsyncGenerator<Frame>,
  logged: (error: unknown) => void,
): Promise<void> {
  const first = await frames.next()
  outgoing.writeHead(200, { 'content-type': FRAMES_TYPE })
  try {
    if (!first.done) await write(outgoing, first.value)
    for await (const frame of frames) {
      if (outgoing.destroyed) break
      await write(outgoing, frame)
    }
  } catch (error) {
    logged(error)
    const { code, message } = asAppError(error)
    if (!outgoing.destroyed) outgoing.write(encodeJsonFrame(FRAME.error, { code, message }))
  } finally {
    await frames.return(undefined)
    outgoing.end()
  }
}

/** A reader that went away ends the wait: the stream is destroyed, and the loop sees it. */
async function write(outgoing: ServerResponse, frame: Frame): Promise<void> {
  if (outgoing.write(encodeFrame(frame.type, frame.payload)) || outgoing.destroyed) return
  await new Promise<void>((resolve) => {
    const goOn = (): void => {
      outgoing.off('drain', goOn).off('close', goOn)
      resolve()
    }
    outgoing.on('drain', goOn).on('close', goOn)
  })
}
