/**
 * The end of a visitor's connection. It may have come long before somebody asks for it, because a visitor may leave at any moment, and
 * it may never come by itself: whoever was told to go need not, and no time limit of the HTTP server holds for a connection that was
 * to speak another protocol.
 */
import type { Duplex, Writable } from 'node:stream'
import { LIMITS } from '../../../shared/limits.ts'

export const closingOf = (visitor: Writable): Promise<void> =>
  visitor.closed ? Promise.resolve() : new Promise((resolve) => visitor.once('close', () => resolve()))

/** Aborted when the visitor is gone, or has everything. */
export function leavingOf(visitor: Writable): AbortSignal {
  const left = new AbortController()
  void closingOf(visitor).then(() => left.abort(new Error('The visitor is gone, or has everything.')))
  return left.signal
}

/** Says the last words, throws away what is still said back, and hangs up on whoever does not do it themselves. */
export function sayLast(visitor: Duplex, words: string | Uint8Array): void {
  visitor.end(words)
  visitor.unpipe().resume()
  const timer = setTimeout(() => visitor.destroy(), LIMITS.visitorGoodbyeMs)
  void closingOf(visitor).then(() => clearTimeout(timer))
}
