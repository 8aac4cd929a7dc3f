/**
 * Notices at once when a machine is of no use any more: its process died, its kernel stopped, its agent turned against its host, or there was
 * no room on the host for what it wrote.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import * as z from 'zod'
import { AppError } from '../../../shared/errors.ts'
import { VIOLATIONS, type Violation } from '../guest/violation.ts'
import type { Qmp } from '../qemu/qmp.ts'
import type { ConsoleLog } from './console.ts'
import type { GuestLink } from './guest-link.ts'

const CONSOLE_TAIL_CHARS = 600
/** How long after a machine stopped answering its process may take to be seen dead. */
const DEATH_SEEN_MS = 200

/** Aborts with AppError('sandbox_lost'), whose details carry the `reason`, when the machine is of no use any more. */
export function watchDeath(
  qmp: Pick<Qmp, 'closed' | 'onEvent'>,
  console: ConsoleLog,
  { accused }: Pick<GuestLink, 'accused'>,
): AbortSignal {
  const death = new AbortController()
  qmp.closed.then(() => death.abort(lost('The process of the machine ended.')))
  qmp.onEvent((event, data) => {
    if (event === 'SHUTDOWN') lastWords(console).then((words) => death.abort(lost(kernelStopped(words))))
    if (event === 'BLOCK_IO_ERROR' && stops(data)) death.abort(lost(NO_ROOM))
  })
  accused.addEventListener('abort', () => death.abort(lost(brokeRules(accused.reason))), { once: true })
  return death.signal
}

/** QEMU stops a machine for want of room only; what else a disk fails with is the guest's to hear. */
const stopsSchema = z.object({ action: z.literal('stop') })
const stops = (data: unknown): boolean => stopsSchema.safeParse(data).success

/** Call it when something failed: a machine that dies makes it fail a moment before its death is noticed. Throws the reason for which it died. */
export async function refuseDead(died: AbortSignal): Promise<void> {
  await sleep(DEATH_SEEN_MS, undefined, { signal: died }).catch(() => {})
  died.throwIfAborted()
}

const brokeRules = (violation: Violation): string =>
  `The agent inside the sandbox is not trusted any more: ${VIOLATIONS[violation]}.`

export const lost = (reason: string): AppError =>
  new AppError('sandbox_lost', 'The sandbox ended by itself.', { details: { reason } })

/** The reason inside an error made by `lost`. */
export const reasonOf = (error: unknown): string =>
  error instanceof AppError && typeof error.details?.reason === 'string' ? error.details.reason : 'unknown'

const NO_ROOM = 'The disk of its host was full when it wrote to its own.'

/** Why a machine that is there neither runs nor is paused, by QEMU's word for what it does. */
export const whyItStands = (status: string, words: string): string =>
  status === 'io-error' ? NO_ROOM : kernelStopped(words)

/** The console is the guest's: it is quoted, and it is bounded where it is read. */
const kernelStopped = (words: string): string =>
  words === '' ? 'The kernel of the machine stopped.' : `The kernel of the machine stopped. Its console ends: ${words}`

/** The end of what the machine's console said, up to the trace that a kernel adds. */
export const lastWords = async (console: ConsoleLog): Promise<string> => tellingPart(await console.text())

const tellingPart = (console: string): string =>
  (console.split('Call Trace:')[0] ?? '').trim().slice(-CONSOLE_TAIL_CHARS)
