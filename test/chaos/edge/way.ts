/** A way between two servers of the world: of some length, and to be blocked, cut and made longer. Who is at its end may move. */
import { type DelayedLink, type Distance, startDelayedLink } from '../../harness/delayed-link.ts'

export type Way = {
  url: string
  /** While blocked, connections are refused. */
  block(): void
  open(): void
  /** Breaks what is under way, of which some has arrived and some has not. */
  cut(): void
  lengthMs(): number
  /** What was connected before is cut, because it has its length. */
  setLength(oneWayMs: number): void
  close(): Promise<void>
}

export async function startWay(targetUrl: () => string | undefined, oneWayMs: number): Promise<Way> {
  const distance: Distance = { oneWayMs, jitterMs: oneWayMs / 4 }
  let isOpen = true
  const target = (): { host: string; port: number } | undefined => {
    const url = isOpen ? targetUrl() : undefined
    if (url === undefined) return undefined
    const { hostname, port } = new URL(url)
    return { host: hostname, port: Number(port) }
  }
  const link: DelayedLink = await startDelayedLink({ host: '127.0.0.1', port: 0 }, target, distance)
  return {
    url: `http://127.0.0.1:${link.port}`,
    block() {
      isOpen = false
      link.cut()
    },
    open() {
      isOpen = true
    },
    cut: link.cut,
    lengthMs: () => distance.oneWayMs,
    setLength(ms) {
      Object.assign(distance, { oneWayMs: ms, jitterMs: ms / 4 })
      link.cut()
    },
    close: link.close,
  }
}
