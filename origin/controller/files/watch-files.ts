/**
 * What changes below a directory, as server-sent events. Clients disagree on the names of the fields, so each event has all of them:
 * `type` and `event`, `size_bytes`, `is_dir`, `old_path`.
 */
import { type GuestWatchLine, guestWatchLine } from '../../../shared/contracts/guest-files.ts'
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { heldStream } from '../events/held-stream.ts'
import { drained } from '../events/keep-publishing.ts'
import type { ServerEvent } from '../http/event-stream.ts'
import { type Answered, whyCut } from '../sandboxes/ask-guest.ts'
import { type Asker, askFiles } from './ask-files.ts'
import { type FilePath, filesPath } from './file-path.ts'
import { readLines } from './read-lines.ts'

export type Watching = { path: FilePath; recursive: string; user: string | undefined }

/** Once it is there, everything is told. Throws draining, stream_limit, and what the agent refuses. */
export async function watchFiles(
  asker: Asker,
  { path, recursive, user }: Watching,
): Promise<ReadableStream<Uint8Array>> {
  const { controller, principal, caller } = asker
  if (controller.isDraining()) throw drained()
  const stream = controller.events.streams.open(principal)
  try {
    const answer = await askFiles(asker, { method: 'GET', path: filesPath('/watch', path, { recursive, user }) })
    const lines = linesOf(asker, answer)
    const first = await lines.next()
    if (first.done || first.value.type !== 'ready') {
      // It would go on, with nobody to hear it.
      answer.body.destroy()
      throw nonsense()
    }
    return heldStream(stream, caller, (until) => events(answer, lines, until))
  } catch (thrown) {
    stream.close()
    throw thrown
  }
}

/** Throws what the caller should hear when the lines break off: that the sandbox was paused, or ended. */
async function* linesOf({ controller }: Asker, { body, row }: Answered): AsyncGenerator<GuestWatchLine> {
  try {
    for await (const line of readLines(body, LIMITS.fileWatchLineBytesMax)) yield parsed(line)
  } catch (thrown) {
    throw thrown instanceof AppError ? thrown : await whyCut(controller, row)
  } finally {
    body.destroy()
  }
}

function parsed(line: string): GuestWatchLine {
  try {
    return guestWatchLine.parse(JSON.parse(line))
  } catch (cause) {
    throw nonsense(cause)
  }
}

async function* events(
  { body }: Answered,
  lines: AsyncGenerator<GuestWatchLine>,
  until: AbortSignal,
): AsyncGenerator<ServerEvent> {
  const leave = (): void => void body.destroy()
  until.addEventListener('abort', leave, { once: true })
  if (until.aborted) leave()
  try {
    for await (const line of lines) {
      if (line.type === 'ended') return
      const event = eventOf(line)
      if (event !== undefined) yield event
    }
  } catch (thrown) {
    throw until.aborted ? until.reason : thrown
  } finally {
    body.destroy()
  }
}

function eventOf(line: GuestWatchLine): ServerEvent | undefined {
  switch (line.type) {
    case 'ready':
    case 'heartbeat':
    case 'ended':
      return undefined
    case 'overflow':
      return { event: 'overflow', data: { type: 'overflow', reason: line.reason } }
    case 'created':
    case 'modified':
    case 'deleted': {
      const { type, size, ...change } = line
      return {
        event: 'change',
        data: { type, event: type, ...change, ...(size === undefined ? {} : { size_bytes: size }) },
      }
    }
  }
}

const nonsense = (cause?: unknown): AppError =>
  new AppError('guest_unreachable', 'The agent inside the sandbox gave an answer that is none.', { cause })
