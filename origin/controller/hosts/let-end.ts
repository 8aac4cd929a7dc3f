/** What becomes of an answer whose last word has come, but not its end. */
import type { Readable } from 'node:stream'
import { LIMITS } from '../../../shared/limits.ts'

/**
 * Its connection serves the next call when it has ended: breaking it off would cost that call a new one. What goes on after its last word,
 * or does not end, is broken off all the same.
 */
export function letEnd(body: Readable, limitMs: number = LIMITS.answerEndMs): void {
  if (body.closed) return
  const breakOff = (): void => void body.destroy()
  const timer = setTimeout(breakOff, limitMs)
  body
    .on('error', () => {})
    .once('data', breakOff)
    .once('close', () => clearTimeout(timer))
    .resume()
}
