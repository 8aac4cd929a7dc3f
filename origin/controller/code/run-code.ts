/** Runs code in a sandbox, which is woken for it. It is sent once: whoever loses the answer must look at what it did. */

import * as z from 'zod'
import type { CodeBody } from '../../../shared/contracts/code.ts'
import type { CodeLanguage } from '../../../shared/contracts/code-fields.ts'
import type { GuestCodeOrder } from '../../../shared/contracts/guest-code.ts'
import { AppError } from '../../../shared/errors.ts'
import { FrameError } from '../../../shared/frames.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { shownText } from '../commands/command-text.ts'
import { tellCommand } from '../commands/tell-command.ts'
import type { Controller } from '../controller.ts'
import { letEnd } from '../hosts/let-end.ts'
import { askGuest, asWork, type GuestAsking, whyCut } from '../sandboxes/ask-guest.ts'
import { outcomeUnknown } from '../sandboxes/start-on-host.ts'
import { type CodeEvent, codeEvents } from './code-events.ts'

export type CodeCall = Omit<CodeBody, 'language'> & {
  language: CodeLanguage
  /** In a context of its own, which is gone afterwards. */
  isPassing?: boolean
  /** One of these runs in a sandbox at a time. */
  isSerial?: boolean
}

/** What happens from now on, which begins when it is the call's turn. Leaving it, or aborting the caller, interrupts the code. */
export type RunningCode = AsyncGenerator<CodeEvent[], void, void>

/** Throws what the caller should hear before anything ran; what goes wrong later is thrown by what it returns. */
export async function runCode(controller: Controller, asking: GuestAsking, call: CodeCall): Promise<RunningCode> {
  const answer = await askGuest(controller, asking, {
    method: 'POST',
    path: 'code',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(orderOf(call)),
    isWork: true,
  })
  return told(controller, answer, asking.caller, call)
}

async function* told(
  controller: Controller,
  { body, row }: Awaited<ReturnType<typeof askGuest>>,
  caller: AbortSignal,
  { code, language }: CodeCall,
): RunningCode {
  const command = tellCommand(controller, row.id, { command: shownText(code), language })
  let isOver = false
  try {
    for await (const batch of codeEvents(body.iterator({ destroyOnReturn: false }), LIMITS.execOutputBytesMax)) {
      for (const event of batch) {
        if (event.type === 'started') command.begin()
        if (event.type === 'end') command.end(event.end)
      }
      isOver = batch.at(-1)?.type === 'end'
      yield batch
    }
  } catch (thrown) {
    if (caller.aborted) throw caller.reason
    const why = await whyCut(controller, row)
    if (why.code !== 'guest_unreachable') throw asWork(row, why)
    throw isNonsense(thrown) ? nonsense(thrown) : outcomeUnknown(row.id, undefined, thrown)
  } finally {
    command.lose()
    if (isOver) letEnd(body)
    else body.on('error', () => {}).destroy()
  }
}

const isNonsense = (thrown: unknown): boolean =>
  thrown instanceof FrameError || thrown instanceof z.ZodError || thrown instanceof SyntaxError

const nonsense = (cause: unknown): AppError =>
  new AppError('guest_unreachable', 'The agent inside the sandbox tells of the code what makes no sense.', { cause })

function orderOf({ code, language, context_id, env, cwd, timeout, isPassing, isSerial }: CodeCall): GuestCodeOrder {
  return {
    code,
    language,
    ...(context_id === undefined ? {} : { context_id }),
    ...(isPassing === true ? { is_passing: true } : {}),
    ...(isSerial === true ? { is_serial: true } : {}),
    env: env ?? {},
    ...(cwd === undefined ? {} : { cwd }),
    timeout_ms: Math.ceil((timeout ?? LIMITS.execTimeoutSecDefault) * 1_000),
    output_bytes_max: LIMITS.execOutputBytesMax,
  }
}
