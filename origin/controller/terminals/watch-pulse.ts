/** Asks a viewer from time to time whether it is still there, and hangs up on one that does not say so. */
import type { WebSocket } from 'ws'
import { LIMITS } from '../../../shared/limits.ts'

/** Whoever is held up cannot be heard: it is not given up for that. Ends with the connection. */
export function watchPulse(viewer: WebSocket, periodMs: number = LIMITS.terminalPingMs): void {
  let hasSpoken = true
  const note = (): void => {
    hasSpoken = true
  }
  viewer.on('pong', note).on('ping', note).on('message', note)
  const timer = setInterval(() => {
    if (!hasSpoken && !viewer.isPaused) return viewer.terminate()
    hasSpoken = viewer.isPaused
    viewer.ping()
  }, periodMs)
  viewer.once('close', () => clearInterval(timer))
}
