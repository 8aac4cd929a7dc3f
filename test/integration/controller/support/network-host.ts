/** A host on another machine, as far as a controller can see: the double behind the daemon's own door of TLS, certificate and secret. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Agent, fetch } from 'undici'
import { type Identity, keepIdentity } from '../../../../origin/hostd/join/identity.ts'
import { listenTls } from '../../../../origin/hostd/join/listen-tls.ts'
import type { JoinBody } from '../../../../shared/contracts/hosts.ts'
import { type HostDouble, startHostDouble } from './host-double.ts'

export type NetworkHost = {
  double: HostDouble
  identity: Identity
  url: string
  /** Requests that came through the door. */
  readonly requests: number
  /** What it says of itself to join. */
  question(token: string): JoinBody
  /** The machine is gone from the network, and lives on. */
  away(): Promise<void>
  back(): Promise<void>
  close(): Promise<void>
}

export async function startNetworkHost(name: string): Promise<NetworkHost> {
  const directory = mkdtempSync(join(tmpdir(), 'atoll-net-'))
  const [double, identity] = await Promise.all([startHostDouble(name), keepIdentity(directory)])
  const dispatcher = new Agent({ connect: { socketPath: double.socketPath } })
  let requests = 0

  const pass = async (request: Request): Promise<Response> => {
    requests += 1
    const { pathname } = new URL(request.url)
    const body = request.method === 'POST' ? await request.text() : null
    const answer = await fetch(`http://double${pathname}`, { method: request.method, body, dispatcher })
    const headers = new Headers([...answer.headers].filter(([header]) => !HOP_BY_HOP.has(header)))
    return new Response(answer.body as ReadableStream | null, { status: answer.status, headers })
  }
  const open = (port: number) => listenTls(pass, { host: '127.0.0.1', port }, identity, () => {})
  let { server, port } = await open(0)
  const url = `https://127.0.0.1:${port}`
  const away = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })

  return {
    double,
    identity,
    url,
    get requests() {
      return requests
    },
    question: (token) => ({ token, name, url, fingerprint: identity.fingerprint, secret: identity.secret }),
    away,
    async back() {
      ;({ server, port } = await open(port))
    },
    async close() {
      if (server.listening) await away()
      await dispatcher.destroy()
      await double.close()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

const HOP_BY_HOP = new Set(['connection', 'keep-alive', 'transfer-encoding', 'content-length'])
