/** Holds a guest to the order and the amount of what a command may answer; the guest is hostile until proven otherwise. */
import { FRAME, type Frame, FrameError, type FrameType } from '../../../shared/frames.ts'

/**
 *   started? (stdout | stderr)* exited
 * Throws FrameError at the first frame that does not fit, when a stream exceeds `outputBytesMax`, or without an end.
 */
export async function* guardFrames(frames: AsyncIterable<Frame>, outputBytesMax: number): AsyncGenerator<Frame> {
  const left: Partial<Record<FrameType, number>> = { [FRAME.stdout]: outputBytesMax, [FRAME.stderr]: outputBytesMax }
  let isFirst = true
  for await (const frame of frames) {
    if (frame.type === FRAME.exited) {
      yield frame
      return
    }
    const room = left[frame.type]
    if (room === undefined && !(isFirst && frame.type === FRAME.started))
      throw new FrameError(`A guest sent a frame of type ${frame.type} in the middle of a command.`)
    if (room !== undefined) {
      left[frame.type] = room - frame.payload.length
      if (room < frame.payload.length) throw new FrameError('A guest sent more output than was asked for.')
    }
    isFirst = false
    yield frame
  }
  throw new FrameError('A guest did not say how its command ended.')
}
