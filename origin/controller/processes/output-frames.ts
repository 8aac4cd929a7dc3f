/** The frames that an agent answers with, batch by batch. What breaks off says why, and what makes no sense ends the call. */
import type { Readable } from 'node:stream'
import { processStarted } from '../../../shared/contracts/guest-processes.ts'
import { AppError } from '../../../shared/errors.ts'
import { FRAME, type Frame, FrameDecoder, FrameError, frameJson } from '../../../shared/frames.ts'
import type { Controller } from '../controller.ts'
import { letEnd } from '../hosts/let-end.ts'
import { type Answered, asWork, whyCut } from '../sandboxes/ask-guest.ts'

export type OutputFrames = {
  /** Undefined at the end of the answer. Throws what the caller should hear. */
  next(): Promise<Frame[] | undefined>
  /** Why the answer ended before its last word. */
  whyCut(): Promise<AppError>
  /** What a frame means. Throws guest_unreachable when it means nothing. */
  understand<T>(read: () => T): T
  /** Nothing more is wanted. Safe to repeat. */
  leave(): void
  /** What was said last was the last word. In place of `leave`, so that the connection serves others. */
  end(): void
}

/** `isStart`: the same request started what speaks, so that sending it again may run it twice. */
export function outputFrames(controller: Controller, { body, row }: Answered, isStart: boolean): OutputFrames {
  const batches = frameBatches(body)
  let isLeft = false
  const cut = async (): Promise<AppError> => {
    const why = await whyCut(controller, row)
    return isStart ? asWork(row, why) : why
  }
  const nonsense = (cause: unknown): AppError => {
    body.destroy()
    return new AppError('guest_unreachable', 'The agent inside the sandbox said something that makes no sense.', {
      cause,
    })
  }
  return {
    whyCut: cut,
    async next() {
      try {
        const { done, value } = await batches.next()
        return done === true ? undefined : value
      } catch (thrown) {
        if (isLeft) throw thrown
        throw thrown instanceof FrameError ? nonsense(thrown) : await cut()
      }
    },
    understand(read) {
      try {
        return read()
      } catch (cause) {
        throw nonsense(cause)
      }
    },
    leave() {
      isLeft = true
      body.on('error', () => {}).destroy()
    },
    end() {
      isLeft = true
      void batches.return().then(() => letEnd(body))
    },
  }
}

async function* frameBatches(body: Readable): AsyncGenerator<Frame[], void> {
  const decoder = new FrameDecoder()
  for await (const chunk of body.iterator({ destroyOnReturn: false })) {
    const frames = decoder.push(chunk)
    if (frames.length > 0) yield frames
  }
}

/** Which process it is, and what has come already; the first frame says it, unless nothing was started. */
export function readStart([first, ...more]: Frame[]): { pid: string | null; rest: Frame[] } {
  if (first?.type !== FRAME.started) return { pid: null, rest: first === undefined ? [] : [first, ...more] }
  return { pid: processStarted.parse(frameJson(first)).id, rest: more }
}
