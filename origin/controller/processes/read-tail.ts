/** The last lines of what an agent keeps of a process, both streams in the order in which they were said. */
import { outputPiece } from '../../../shared/contracts/guest-processes.ts'
import { FRAME } from '../../../shared/frames.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Controller } from '../controller.ts'
import { askGuest, type GuestAsking } from '../sandboxes/ask-guest.ts'
import { pathOf } from './ask-process.ts'
import { outputFrames } from './output-frames.ts'

export async function readTail(
  controller: Controller,
  asking: GuestAsking,
  { pid, lines }: { pid: string; lines: number },
): Promise<string> {
  const request = { method: 'GET', path: `${pathOf(pid)}/output` } as const
  const frames = outputFrames(controller, await askGuest(controller, asking, request), false)
  const pieces: Uint8Array[] = []
  let bytes = 0
  try {
    for (let batch = await frames.next(); batch !== undefined; batch = await frames.next())
      for (const frame of batch) {
        bytes += frame.payload.length
        if (frame.type === FRAME.stdout || frame.type === FRAME.stderr)
          pieces.push(frames.understand(() => keptPiece(frame, bytes)))
      }
  } finally {
    frames.leave()
  }
  return lastLines(Buffer.concat(pieces).toString('utf8'), lines)
}

function keptPiece(frame: Parameters<typeof outputPiece>[0], bytesSoFar: number): Uint8Array {
  if (bytesSoFar > LIMITS.processKeptBytesMax) throw new RangeError('That is more than an agent keeps.')
  return outputPiece(frame).bytes.slice()
}

/** A line that was not ended counts as one. */
export function lastLines(text: string, count: number): string {
  let start = text.length - (text.endsWith('\n') ? 1 : 0)
  for (let left = count; left > 0 && start >= 0; left--) start = start === 0 ? -1 : text.lastIndexOf('\n', start - 1)
  return text.slice(start + 1)
}
