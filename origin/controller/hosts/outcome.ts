/**
 * What became of a call to a host. "Never happened" and "may have happened" are told apart here, once, because everything that
 * follows hangs on it: the first may be tried elsewhere, the second never may when a command was in it.
 *
 *   refused   the host said no before it did anything, or was not reached at all
 *   failed    the host did something and says that it failed
 *   unknown   the connection was lost, ran into a deadline, or spoke nonsense, after the request was sent
 */
import * as z from 'zod'
import { AppError, ERRORS, type ErrorCode } from '../../../shared/errors.ts'

export type Trouble = { kind: 'refused' | 'failed' | 'unknown'; error: AppError }
export type Answer<T> = { kind: 'done'; value: T } | Trouble

const spokenSchema = z.object({ code: z.string(), message: z.string() })
const bodySchema = z.object({ error: spokenSchema })

/** An answer that is not a success. `notExecuted` is the host's own mark. */
export function troubleOfAnswer(status: number, notExecuted: boolean, body: unknown): Trouble {
  const read = bodySchema.safeParse(body)
  if (!read.success) return { kind: 'unknown', error: unavailable(`status ${status} without an error body`) }
  return { kind: notExecuted ? 'refused' : 'failed', error: spoken(read.data.error) }
}

/** The payload of a frame `error`: the host's last word on a call that had begun. */
export function troubleOfFrame(payload: unknown): Trouble {
  const read = spokenSchema.safeParse(payload)
  return read.success
    ? { kind: 'failed', error: spoken(read.data) }
    : { kind: 'unknown', error: unavailable('an error frame that is not one') }
}

/** These come from connect(2), or from before it: no byte of the request has left. */
const NEVER_CONNECTED = new Set([
  'ECONNREFUSED',
  'ENOENT',
  'EACCES',
  'EAGAIN',
  'UND_ERR_CONNECT_TIMEOUT',
  'HOST_NOT_CONNECTED',
])

export function troubleOfThrown(thrown: unknown): Trouble {
  const code = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : ''
  const error = new AppError('host_unavailable', 'The machine for this sandbox does not answer.', { cause: thrown })
  return { kind: NEVER_CONNECTED.has(code) ? 'refused' : 'unknown', error }
}

/** It has as much under way for this controller as may be. */
export const busy = (host: string): Trouble => ({
  kind: 'refused',
  error: new AppError('capacity_exhausted', 'The machine for this sandbox has as many calls under way as it takes.', {
    detail: host,
  }),
})

const unavailable = (detail: string): AppError =>
  new AppError('host_unavailable', 'The machine for this sandbox gave no clear answer.', { detail })

/** A code we do not know is a host newer or more broken than we are; callers hear only of codes in the table. */
export const spoken = ({ code, message }: { code: string; message: string }): AppError =>
  isErrorCode(code) && code !== 'internal'
    ? new AppError(code, message)
    : new AppError('host_unavailable', 'The machine for this sandbox failed.', { detail: `${code}: ${message}` })

const isErrorCode = (code: string): code is ErrorCode => Object.hasOwn(ERRORS, code)

/** Narrows an answer whose route has a body. */
export async function required<T>(answer: Promise<Answer<T | null>>): Promise<Answer<T>> {
  const got = await answer
  if (got.kind !== 'done') return got
  return got.value === null
    ? troubleOfThrown(new Error('An answer without its body.'))
    : { kind: 'done', value: got.value }
}
