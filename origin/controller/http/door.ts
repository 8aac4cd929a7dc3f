/** The listening socket: opened before anything is served, closed only when what came in has been answered. */
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { serve } from '@hono/node-server'
import type { Hono } from 'hono'
import { LIMITS } from '../../../shared/limits.ts'
import { answerGarbled } from './answer-garbled.ts'
import { asWritten } from './as-written.ts'
import type { Env } from './serve-route.ts'
import { watchBodies } from './watch-bodies.ts'

export type Door = { address: { host: string; port: number }; close(): Promise<void> }

const POLL_MS = 20

/** Hears of every request. */
export type Watch = (incoming: IncomingMessage, outgoing: ServerResponse) => void

/** Those who want to speak another protocol than HTTP on their connection. */
export type Upgrades = {
  /** Any other request is answered as if it had not asked for it. */
  isWanted(incoming: IncomingMessage): boolean
  serve(incoming: IncomingMessage, socket: Duplex, head: Buffer): void
  /** Ends them all in good order, because nobody else would. */
  end(): void
}

/** Port 0 takes any free port; `address` says which. Fails when the port is in use. */
export async function openDoor(
  app: Hono<Env>,
  listen: { host: string; port: number },
  watch: Watch,
  upgrades: Upgrades,
): Promise<Door> {
  const serverOptions = {
    shouldUpgradeCallback: upgrades.isWanted,
    // A large body may take any time, as long as it comes: watchBodies ends those that do not, and readBody those that should be short.
    requestTimeout: 0,
    headersTimeout: LIMITS.headersMs,
  }
  const server = serve({
    fetch: asWritten(app.fetch),
    hostname: listen.host,
    port: listen.port,
    serverOptions,
  }) as Server
  const bodies = watchBodies()
  let inside = 0
  // The server itself forgets a connection that was upgraded, but does not close while it is open.
  const upgraded = new Set<Duplex>()
  server.on('upgrade', (incoming: IncomingMessage, socket: Duplex, head: Buffer) => {
    upgraded.add(socket)
    socket.once('close', () => upgraded.delete(socket))
    upgrades.serve(incoming, socket, head)
  })
  // An answer that has begun there would be broken into.
  const answering = new WeakSet<Duplex>()
  server.on('clientError', (error: Error, socket: Duplex) =>
    answering.has(socket) ? socket.destroy() : answerGarbled(error, socket),
  )
  server.keepAliveTimeout = LIMITS.keepAliveMs
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    inside += 1
    answering.add(request.socket)
    bodies.watch(request)
    watch(request, response)
    response.once('close', () => {
      inside -= 1
      answering.delete(request.socket)
    })
  })
  await new Promise<void>((resolve, reject) => {
    server.once('listening', resolve)
    server.once('error', reject)
  })
  const bound = server.address()
  const port = typeof bound === 'object' && bound !== null ? bound.port : listen.port

  return {
    address: { host: listen.host, port },
    async close() {
      upgrades.end()
      // It goes on listening while it drains: a caller who is told "draining" goes elsewhere at once.
      // What it has answered last is told to come back on another connection, and may have been on its way here already.
      const until = Date.now() + LIMITS.drainMs
      for (
        let quietMs = 0;
        quietMs < LIMITS.drainQuietMs && Date.now() < until;
        quietMs = inside + upgraded.size > 0 ? 0 : quietMs + POLL_MS
      )
        await sleep(POLL_MS)
      const closed = new Promise((resolve) => server.close(resolve))
      bodies.stop()
      server.closeAllConnections()
      for (const socket of upgraded) socket.destroy()
      await closed
    },
  }
}
