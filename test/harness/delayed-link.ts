/**
 * Distance on one machine: a TCP proxy whose every byte arrives later, in order, by a delay with jitter, in both directions.
 *
 *   client ---- listens here ==== oneWayMs +- jitterMs ==== connects there ---- server
 *
 * A link holds only so many bytes under way; a sender beyond that waits, as it would for a full window. The handshake of TCP is not
 * delayed, so what is measured through it should keep its connections.
 */
import { connect, createServer, type ListenOptions, type NetConnectOpts, type Socket } from 'node:net'

export type Distance = {
  oneWayMs: number
  jitterMs: number
  /** From 0 to 1; a seeded one makes a run repeatable. */
  draw?: () => number
}

export type DelayedLink = {
  /** Of a link that listens at a port. */
  port: number
  /** Cuts what is connected, with a reset, and goes on listening. */
  cut(): void
  close(): Promise<void>
}

const BYTES_UNDER_WAY_MAX = 1024 * 1024

/**
 * `from` is where it listens, at port 0 for any free one or at the path of a unix socket; `to` is the server, or says for each
 * connection where it is now: while it says nowhere, nobody gets through. A `distance` that changes holds for new connections.
 */
export async function startDelayedLink(
  from: ListenOptions,
  to: NetConnectOpts | (() => NetConnectOpts | undefined),
  distance: Distance,
): Promise<DelayedLink> {
  const open = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
    const target = typeof to === 'function' ? to() : to
    if (target === undefined) return void near.resetAndDestroy()
    const far = connect({ ...target, allowHalfOpen: true, noDelay: true })
    for (const [source, sink] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(source)
      source.once('close', () => open.delete(source))
      source.on('error', () => undefined)
      carry(source, sink, distance)
    }
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(from, resolve)
  })
  const address = server.address()
  const cut = (): void => {
    for (const socket of open) reset(socket)
  }
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    cut,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve))
      for (const socket of open) socket.destroy()
      await closed
    },
  }
}

/** One that has said its end can be reset no more; Node would keep it for ever, and never exit. */
const reset = (socket: Socket): Socket => (socket.writableEnded ? socket.destroy() : socket.resetAndDestroy())

/** What was drawn late holds up what came after it: TCP keeps the order. */
function carry(source: Socket, sink: Socket, { oneWayMs, jitterMs, draw = Math.random }: Distance): void {
  let dueMs = 0
  let underWay = 0
  const waiting: { dueMs: number; deed: () => void }[] = []
  // Timers of different lengths may fire out of turn, so a timer only looks at who is first.
  const look = (): void => {
    const nowMs = performance.now()
    while (waiting[0] !== undefined && waiting[0].dueMs <= nowMs) waiting.shift()?.deed()
    if (waiting[0] !== undefined) setTimeout(look, waiting[0].dueMs - nowMs)
  }
  const later = (deed: () => void): void => {
    const nowMs = performance.now()
    dueMs = Math.max(dueMs, nowMs + oneWayMs + (2 * draw() - 1) * jitterMs)
    waiting.push({ dueMs, deed })
    if (waiting.length === 1) setTimeout(look, dueMs - nowMs)
  }
  const arrived = (bytes: number): void => {
    underWay -= bytes
    if (underWay < BYTES_UNDER_WAY_MAX) source.resume()
  }
  source.on('data', (chunk: Buffer) => {
    underWay += chunk.byteLength
    if (underWay >= BYTES_UNDER_WAY_MAX) source.pause()
    // A write is called back when the other side has taken it.
    later(() => sink.write(chunk, () => arrived(chunk.byteLength)))
  })
  source.once('end', () => later(() => sink.end()))
  // What went wrong on one side is told to the other by closing it, after all that was under way. An end that was said is enough.
  source.once('close', (hadError) => {
    if (hadError || !source.readableEnded) later(() => sink.destroy())
  })
}
