/** Holds a viewer up while there is a reason to, of which there may be several at a time. */
import type { WebSocket } from 'ws'
import { LIMITS } from '../../../shared/limits.ts'

export type Reason = 'terminal is behind' | 'too many messages'

export function holdSocket(viewer: Pick<WebSocket, 'pause' | 'resume'>) {
  const reasons = new Set<Reason>()
  return {
    hold(reason: Reason) {
      reasons.add(reason)
      viewer.pause()
    },
    letGo(reason: Reason) {
      reasons.delete(reason)
      if (reasons.size === 0) viewer.resume()
    },
  }
}

/** Counts messages by the second: `isOver` is true for the one that is over the limit, which is followed by `letGo` when the second is. */
export function countMessages(letGo: () => void, perSecondMax: number = LIMITS.terminalMessagesPerSecMax) {
  let inThisSecond = 0
  const seconds = setInterval(() => {
    if (inThisSecond >= perSecondMax) letGo()
    inThisSecond = 0
  }, 1_000)
  return {
    isOver: () => ++inThisSecond === perSecondMax,
    stop: () => clearInterval(seconds),
  }
}
