/** A world for the proxy on loopback: names that lead to it, servers in it, a door to it, and what the log says. */
import { mkdtemp, rm } from 'node:fs/promises'
import { Agent, createServer, type IncomingMessage, type RequestListener, request } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, connect, createServer as createTcpServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { Authority } from '../../../../origin/hostd/egress/authority.ts'
import type { NewEntry } from '../../../../origin/hostd/egress/log.ts'
import { EgressProxy } from '../../../../origin/hostd/egress/proxy.ts'
import type { Reach } from '../../../../origin/hostd/egress/reach.ts'
import type { Visitor } from '../../../../origin/hostd/egress/visit.ts'
import type { EgressPolicy } from '../../../../shared/contracts/host-egress.ts'

export const CLOSED: EgressPolicy = {
  mode: 'enforce',
  default_effect: 'deny',
  rules: [],
  allow_private: true,
  secrets: [],
}

export type Answer = { status: number; headers: IncomingMessage['headers']; body: string }

export class World {
  policy: EgressPolicy | null = CLOSED
  readonly log: NewEntry[] = []
  readonly bytes = { up: 0, down: 0 }
  readonly failures: unknown[] = []
  /** What names lead to; asked anew every time. */
  names: (host: string) => string[] | Promise<string[]> = () => ['127.0.0.1']
  readonly #servers: Server[] = []
  readonly #sockets = new Set<Socket>()
  readonly #looks = new Set<() => void>()
  readonly #undo: (() => unknown)[] = []
  doorPort = 0

  /** What the sandbox trusts, and what the world trusts. */
  readonly inner: Authority
  readonly outer: Authority
  readonly proxy: EgressProxy

  private constructor(inner: Authority, outer: Authority, proxy: EgressProxy) {
    this.inner = inner
    this.outer = outer
    this.proxy = proxy
  }

  static async open(reach: Reach = 'private', headMs?: number): Promise<World> {
    const directory = await mkdtemp(join(tmpdir(), 'egress-'))
    const [inner, outer] = [await Authority.open(directory), await Authority.open(await mkdtemp(join(directory, 'o-')))]
    const names = async (host: string) =>
      (await world.names(host)).map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))
    const ways = { authority: inner, names, reach, trusted: [outer.pem] }
    const world: World = new World(inner, outer, new EgressProxy(ways, (error) => world.failures.push(error), headMs))
    world.#undo.push(() => rm(directory, { recursive: true, force: true }))
    world.doorPort = await world.listen(
      createTcpServer({ allowHalfOpen: true }, (socket) => {
        world.guests.add(socket.once('close', () => world.guests.delete(socket)))
        world.proxy.serve(socket, world.visitor)
      }),
    )
    return world
  }

  /** The sandbox's connections at the door, as long as nobody has noticed their end. */
  readonly guests = new Set<Socket>()

  readonly visitor: Visitor = {
    policy: () => this.policy,
    note: (entry) => this.log.push(entry),
    noteBytes: (direction, count) => {
      this.bytes[direction] += count
    },
    onChange: (look) => {
      this.#looks.add(look)
      return () => this.#looks.delete(look)
    },
  }

  allow(host: string, ports: number[], over: Partial<EgressPolicy> = {}): void {
    this.policy = { ...CLOSED, rules: [{ id: `allow ${host}`, host, effect: 'allow', ports }], ...over }
  }

  change(policy: EgressPolicy | null): void {
    this.policy = policy
    for (const look of this.#looks) look()
  }

  async listen(server: Server): Promise<number> {
    this.#servers.push(server)
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket.on('error', () => undefined))
      socket.once('close', () => this.#sockets.delete(socket))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return (server.address() as AddressInfo).port
  }

  serve = (handler: RequestListener): Promise<number> => this.listen(createServer(handler))

  /** It shows a certificate of the outer authority for whatever name it is asked for. */
  serveTls(handler: RequestListener): Promise<number> {
    const server = createTlsServer(
      {
        SNICallback: (name, tell) =>
          void this.outer.contextOf(name, Date.now()).then((context) => tell(null, context), tell),
      },
      handler,
    )
    server.on('tlsClientError', () => undefined)
    return this.listen(server)
  }

  /** As a program does that found `http_proxy`. */
  get(
    url: string,
    headers: Record<string, string> = {},
    over: { method?: string; body?: string } = {},
  ): Promise<Answer> {
    const { host } = new URL(url)
    return ask({ port: this.doorPort, path: url, headers: { host, ...headers }, ...over })
  }

  /** The status of CONNECT, and the connection when it is 200. */
  async connect(authority: string): Promise<{ status: number; body: string; socket: Socket }> {
    const socket = connect(this.doorPort, '127.0.0.1').on('error', () => undefined)
    this.#undo.push(() => socket.destroy())
    socket.write(`CONNECT ${authority} HTTP/1.1\r\nhost: ${authority}\r\n\r\n`)
    let head = ''
    while (!head.includes('\r\n\r\n')) head += await nextText(socket)
    const [status, end] = [Number(head.split(' ')[1]), head.indexOf('\r\n\r\n') + 4]
    if (status === 200) socket.unshift(Buffer.from(head.slice(end), 'latin1'))
    return { status, body: status === 200 ? '' : head + (await text(socket).catch(() => '')), socket }
  }

  /** TLS through the proxy for one name, asked of the host with another one if wanted. */
  async secure(authority: string, servername: string, ca: string): Promise<TLSSocket> {
    const { status, body, socket } = await this.connect(authority)
    if (status !== 200) throw new Error(body)
    const secured = connectTls({ socket, servername, ca })
    await new Promise((resolve, reject) =>
      secured.once('secureConnect', resolve).once('error', reject).once('close', reject),
    )
    return secured.on('error', () => undefined)
  }

  async getTls(
    url: string,
    headers: Record<string, string> = {},
    over: { method?: string; body?: string; ca?: string } = {},
  ) {
    const { hostname, port, pathname, search, host } = new URL(url)
    const secured = await this.secure(`${hostname}:${port}`, hostname, over.ca ?? this.inner.pem)
    const agent = new Agent()
    agent.createConnection = () => secured
    return ask({ agent, path: pathname + search, headers: { host, ...headers }, ...over })
  }

  async close(): Promise<void> {
    this.proxy.close()
    for (const socket of this.#sockets) socket.destroy()
    for (const server of this.#servers) server.close()
    for (const undo of this.#undo.reverse()) await undo()
  }
}

type Asked = {
  port?: number
  agent?: Agent
  path: string
  headers: Record<string, string>
  method?: string
  body?: string
}

function ask({ body, ...options }: Asked): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', ...options }, (answer) => {
      text(answer).then((body) => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body }), reject)
    })
    asked.on('error', reject).end(body)
  })
}

export function nextText(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    const done = (chunk: Buffer): void => {
      socket.pause().off('close', gone)
      resolve(chunk.toString('latin1'))
    }
    const gone = (): void => reject(new Error('The connection is closed.'))
    socket.once('data', done).once('close', gone).resume()
  })
}
