/** Reads the answer to an exec, and holds the guest to the contract: the right frames, in order, no more than was asked for. */
import assert from 'node:assert/strict'
import {
  type ExecExit,
  execExit,
  execStarted,
  type GuestExec,
  type GuestRefusal,
} from '../../../shared/contracts/guest.ts'
import { FRAME, type Frame, FrameDecoder, FrameError, frameJson } from '../../../shared/frames.ts'
import { LIMITS } from '../../../shared/limits.ts'

/**
 * The frames of a byte stream, checked one by one, and output that came at once in one frame. Waits for `pace` before each of them.
 * Throws FrameError; returns after `exited`, or at the stream's end without it.
 */
export async function* checkedFrames(
  chunks: AsyncIterable<Uint8Array>,
  { output_bytes_max }: Pick<GuestExec, 'output_bytes_max'>,
  pace: () => Promise<void> = async () => {},
): AsyncGenerator<Frame, 'exited' | 'cut off'> {
  const decoder = new FrameDecoder()
  const left = { [FRAME.stdout]: output_bytes_max, [FRAME.stderr]: output_bytes_max }
  let hasStarted = false
  for await (const chunk of chunks) {
    const frames = decoder.push(chunk)
    for (const frame of frames) {
      if (hasStarted === (frame.type === FRAME.started)) throw new FrameError('A command starts once, and first.')
      hasStarted = true
      checkFrame(frame, left)
    }
    for (const frame of joined(frames)) {
      await pace()
      yield frame
      if (frame.type === FRAME.exited) return 'exited'
    }
  }
  return 'cut off'
}

/** Neighbours of the same output become one frame: a guest may cut it into single bytes, and each frame costs those who pass it on. */
function joined(frames: Frame[]): Frame[] {
  const runs: Frame[][] = []
  let bytes = 0
  for (const frame of frames) {
    const run = runs.at(-1)
    const isMore = isOutput(frame) && run?.[0]?.type === frame.type
    bytes += frame.payload.length
    if (run !== undefined && isMore && bytes <= LIMITS.frameBytesMax) run.push(frame)
    else {
      runs.push([frame])
      bytes = frame.payload.length
    }
  }
  return runs.map(([first, ...more]) => {
    assert(first !== undefined)
    return more.length === 0 ? first : { type: first.type, payload: concat([first, ...more]) }
  })
}

const isOutput = ({ type }: Frame): boolean => type === FRAME.stdout || type === FRAME.stderr
const concat = (frames: Frame[]): Uint8Array => Buffer.concat(frames.map(({ payload }) => payload))

function checkFrame(frame: Frame, left: { [FRAME.stdout]: number; [FRAME.stderr]: number }): void {
  switch (frame.type) {
    case FRAME.started:
      parsePayload(frame, execStarted)
      break
    case FRAME.exited:
      parsePayload(frame, execExit)
      break
    case FRAME.stdout:
    case FRAME.stderr:
      // Nothing else would bound how many of them there are.
      if (frame.payload.length === 0) throw new FrameError('A frame of output is never empty.')
      left[frame.type] -= frame.payload.length
      if (left[frame.type] < 0) throw new FrameError('The guest sent more output than it was asked for.')
      break
    default:
      throw new FrameError(`A guest does not send frames of type ${frame.type}.`)
  }
}

function parsePayload(frame: Frame, schema: typeof execStarted | typeof execExit): void {
  const parsed = schema.safeParse(frameJson(frame))
  if (!parsed.success) throw new FrameError('A frame does not hold what its type says.', { cause: parsed.error })
}

/** What a shell makes of a command that it cannot start: a message on stderr, and 127 or 126. */
export function refusalFrames({ message, exit_code }: GuestRefusal): Frame[] {
  const exit: ExecExit = {
    exit_code,
    reason: 'exit',
    duration_ms: 0,
    stdout_truncated: false,
    stderr_truncated: false,
  }
  const encode = (text: string) => new TextEncoder().encode(text)
  return [
    { type: FRAME.stderr, payload: encode(`${message}\n`) },
    { type: FRAME.exited, payload: encode(JSON.stringify(exit)) },
  ]
}
