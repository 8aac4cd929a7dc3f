/**
 * The proxy that every sandbox of this host goes out through. It never listens: connections are given to it, each with whose it is, and Node's
 * own HTTP server reads them.
 *
 *   GET http://host/...      plain HTTP, judged and forwarded
 *   CONNECT host:port        let through by name; or, where a policy looks inside, served here again as what is inside
 */
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { Agent } from 'node:https'
import type { Duplex } from 'node:stream'
import { LIMITS } from '../../../shared/limits.ts'
import { forward } from './forward.ts'
import { openConnection } from './open-connection.ts'
import { refuseRequest } from './refuse.ts'
import { passUpgrade } from './upgrade.ts'
import type { Visit, Visitor, Ways } from './visit.ts'

type Line = Visit & {
  agent: Agent | false
  /** Over when what came last has been answered. */
  turn: Promise<void>
  waiting: number
}

/** What an unreadable request is answered, by Node's codes. */
const UNREADABLE: Record<string, string> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
}

export class EgressProxy {
  readonly #ways: Ways
  readonly #server: Server
  readonly #lines = new WeakMap<Duplex, Line>()
  readonly #noteFailure: (error: unknown) => void

  /** `noteFailure` hears of mistakes of ours. A head may take `headMs` to come. */
  constructor(ways: Ways, noteFailure: (error: unknown) => void, headMs: number = LIMITS.egressHeadMs) {
    this.#ways = ways
    this.#noteFailure = noteFailure
    this.#server = createServer({
      maxHeaderSize: LIMITS.egressHeadBytesMax,
      headersTimeout: headMs,
      connectionsCheckingInterval: Math.min(headMs, LIMITS.egressHeadLookMs),
      keepAliveTimeout: LIMITS.egressKeepAliveMs,
      // Whatever else a client would rather speak, it can do without.
      shouldUpgradeCallback: ({ headers }) => headers.upgrade?.toLowerCase() === 'websocket',
      // A body may take as long as it likes while something of it comes.
      requestTimeout: 0,
    })
    this.#server.timeout = LIMITS.egressIdleMs
    // Node begins to look after slow heads when a server listens, which this one never does.
    this.#server.emit('listening')
    this.#listen(this.#server)
  }

  /** Serves a connection of a sandbox's process, until either side ends it. */
  serve(connection: Duplex, visitor: Visitor): void {
    this.#enter(connection, { visitor, inside: null })
  }

  /** Stops looking after slow connections; those that stand are ended by who gave them. */
  close(): void {
    this.#server.close()
  }

  #enter(connection: Duplex, visit: Visit): void {
    const agent = visit.inside?.scheme === 'https' && new Agent({ keepAlive: true, maxSockets: 1 })
    if (agent) connection.once('close', () => agent.destroy())
    connection.on('error', () => undefined)
    this.#lines.set(connection, { ...visit, agent, turn: Promise.resolve(), waiting: 0 })
    this.#server.emit('connection', connection)
  }

  #listen(server: Server): void {
    server.on('request', (incoming, outgoing) => {
      const line = this.#lineOf(incoming)
      if (line.waiting >= LIMITS.egressPipelinedMax) return void incoming.socket.destroy()
      const forwarded = () => forward(this.#ways, line, { incoming, outgoing, agent: line.agent })
      this.#heed(inTurn(line, forwarded), () => refuseRequest(outgoing, 'request', line.visitor))
    })
    server.on('connect', (incoming, connection, early) => {
      const enter = (inner: Duplex, visit: Visit): void => this.#enter(inner, visit)
      const opening = { incoming, connection, early, enter }
      this.#heed(openConnection(this.#ways, this.#lineOf(incoming), opening), () => connection.destroy())
    })
    server.on('upgrade', (incoming, connection, early) => {
      const done = passUpgrade(this.#ways, this.#lineOf(incoming), { incoming, connection, early })
      this.#heed(done, () => connection.destroy())
    })
    server.on('clientError', (error: NodeJS.ErrnoException, connection) => this.#refuseUnreadable(error, connection))
  }

  #lineOf(incoming: IncomingMessage): Line {
    const line = this.#lines.get(incoming.socket)
    if (line === undefined) throw new Error('A connection that nobody gave.')
    return line
  }

  #heed(done: Promise<void>, abandon: () => void): void {
    done.catch((error) => {
      this.#noteFailure(error)
      abandon()
    })
  }

  #refuseUnreadable(error: NodeJS.ErrnoException, connection: Duplex): void {
    const line = this.#lines.get(connection)
    const { host, port } = line?.inside ?? { host: '', port: 0 }
    const nothing = { bytes_up: 0, bytes_down: 0 }
    // A connection that is only closed in the middle says nothing.
    if (error.code !== 'ECONNRESET' && connection.writable)
      line?.visitor.note({ at_ms: Date.now(), host, port, action: 'error', reason: 'request', ...nothing })
    if (!connection.writable) return void connection.destroy()
    connection.end(`HTTP/1.1 ${UNREADABLE[error.code ?? ''] ?? '400 Bad Request'}\r\nconnection: close\r\n\r\n`)
    // It is not read any more, so it would never be seen to end.
    setTimeout(() => connection.destroy(), LIMITS.egressLingerMs).unref()
  }
}

/** Node hands out at once what a client asks before it was answered. Asked on one after the other, a connection has one to the outside at a time. */
function inTurn(line: Line, work: () => Promise<void>): Promise<void> {
  line.waiting += 1
  const done = line.turn.then(work).finally(() => {
    line.waiting -= 1
  })
  line.turn = done.catch(() => undefined)
  return done
}
