/** What happens while code runs, out of the frames of its agent. They are a hostile guest's: parsed by schema, and bounded. */

import type * as z from 'zod'
import { type CodeError, type CodeResult, codeError, codeResult } from '../../../shared/contracts/code-fields.ts'
import {
  CODE_FRAME,
  type CodeFrameType,
  type GuestCodeEnd,
  type GuestCodeStarted,
  guestCodeEnd,
  guestCodeStarted,
} from '../../../shared/contracts/guest-code.ts'
import { type Frame, FrameDecoder, FrameError } from '../../../shared/frames.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { GrownBytes } from '../grown-bytes.ts'

export type CodeEvent =
  | { type: 'started'; started: GuestCodeStarted }
  | { type: 'stdout' | 'stderr'; bytes: Uint8Array }
  | { type: 'result'; result: CodeResult }
  | { type: 'error'; error: CodeError }
  | { type: 'end'; end: GuestCodeEnd }

/** In batches, as they come. The last one is `end`; what ends without it was cut. Throws for what no agent of ours says. */
export async function* codeEvents(
  body: AsyncIterable<Uint8Array>,
  outputBytesMax: number,
): AsyncGenerator<CodeEvent[], void, void> {
  const decoder = new FrameDecoder<CodeFrameType>(CODE_FRAME)
  const story = createStory(outputBytesMax)
  for await (const chunk of body) {
    const events = decoder.push(chunk).flatMap((frame) => story.take(frame) ?? [])
    if (events.length > 0) yield events
  }
  if (!story.isOver) throw new FrameError('The code has no end.')
}

/** A call starts once and first, ends once and last, and says no more than it may. */
function createStory(outputBytesMax: number) {
  let state: 'new' | 'running' | 'over' = 'new'
  const left = { stdout: outputBytesMax, stderr: outputBytesMax, messages: LIMITS.codeMessagesBytesMax }
  const held = new GrownBytes()
  let messages = 0

  const spend = (kind: keyof typeof left, bytes: number): void => {
    left[kind] -= bytes
    // Any number of nothings would be within every bound.
    if (bytes === 0) throw new FrameError(`A piece of ${kind} with nothing in it.`)
    if (left[kind] < 0) throw new FrameError(`More ${kind} than was asked for.`)
  }
  const whole = <T extends z.ZodType>(last: Uint8Array, schema: T): z.output<T> => {
    held.push(last)
    return schema.parse(JSON.parse(held.takeText()))
  }
  const hold = (piece: Uint8Array): void => {
    held.push(piece)
    if (held.size > LIMITS.codeMessageBytesMax) throw new FrameError('A result that is too large.')
  }
  const spendMessage = (bytes: number): void => {
    spend('messages', bytes)
    messages += 1
    if (messages > LIMITS.codeResultsMax) throw new FrameError('More results than a call may have.')
  }
  const tell = ({ type, payload }: Frame<CodeFrameType>): CodeEvent | undefined => {
    switch (type) {
      case CODE_FRAME.started:
        return { type: 'started', started: whole(payload, guestCodeStarted) }
      case CODE_FRAME.stdout:
        spend('stdout', payload.length)
        return { type: 'stdout', bytes: new Uint8Array(payload) }
      case CODE_FRAME.stderr:
        spend('stderr', payload.length)
        return { type: 'stderr', bytes: new Uint8Array(payload) }
      case CODE_FRAME.piece:
        spend('messages', payload.length)
        hold(payload)
        return undefined
      case CODE_FRAME.result:
        spendMessage(payload.length)
        return { type: 'result', result: whole(payload, codeResult) }
      case CODE_FRAME.failure:
        spendMessage(payload.length)
        return { type: 'error', error: whole(payload, codeError) }
      case CODE_FRAME.exited:
        state = 'over'
        return { type: 'end', end: whole(payload, guestCodeEnd) }
    }
  }
  return {
    get isOver(): boolean {
      return state === 'over'
    },
    take(frame: Frame<CodeFrameType>): CodeEvent | undefined {
      const isStart = frame.type === CODE_FRAME.started
      if (isStart !== (state === 'new') || state === 'over')
        throw new FrameError('Code starts once and first, and ends once and last.')
      if (isStart) state = 'running'
      return tell(frame)
    },
  }
}
