/**
 * Request bodies that do not come any more. No time is too long for a body that moves, but a sender who has gone without a word, or who
 * only holds a place, is cut off. A body that waits because nobody takes it in is not its sender's fault.
 */
import type { IncomingMessage } from 'node:http'
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'

type Seen = { bytesRead: number; atMs: number }

export type Bodies = { watch(incoming: IncomingMessage): void; stop(): void }

export function watchBodies(idleMs: number = LIMITS.bodyIdleMs): Bodies {
  const coming = new Map<IncomingMessage, Seen>()
  const look = (): void => {
    const nowMs = performance.now()
    for (const [incoming, seen] of coming) {
      const { bytesRead } = incoming.socket
      if (incoming.complete) coming.delete(incoming)
      else if (bytesRead !== seen.bytesRead || incoming.readableLength > 0)
        Object.assign(seen, { bytesRead, atMs: nowMs })
      else if (nowMs - seen.atMs >= idleMs)
        incoming.destroy(new AppError('upload_incomplete', 'The body stopped coming before its end.'))
    }
  }
  const timer = setInterval(look, idleMs / 4).unref()
  return {
    watch(incoming) {
      const { 'content-length': length, 'transfer-encoding': encoding } = incoming.headers
      if (encoding === undefined && (length === undefined || length === '0')) return
      coming.set(incoming, { bytesRead: incoming.socket.bytesRead, atMs: performance.now() })
      incoming.once('close', () => coming.delete(incoming))
    },
    stop: () => clearInterval(timer),
  }
}
