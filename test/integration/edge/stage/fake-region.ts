/** A region as far as the edge can tell: an HTTP server that records what it gets and can fail in every way a network can. */
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { KeyRecord } from '../../../../shared/accounts.ts'
import { ORPHAN_ROUTES, type Orphan, orphanBody } from '../../../../shared/contracts/orphans.ts'
import { freePort } from '../../../harness/free-ports.ts'

export type Received = { method: string; url: string; headers: IncomingHttpHeaders; body: Buffer }
export type Responder = (received: Received, response: ServerResponse, request: IncomingMessage) => void | Promise<void>

export type FakeRegion = {
  code: string
  url: string
  /** Everything but health probes, capacity polls, questions about keys and words of orphans, in order. */
  received: Received[]
  /** What it knows of keys, by hash, for an edge that does not; and how often it was asked. */
  keys: Map<string, KeyRecord>
  keyQuestions: () => number
  /** Its answers about keys go out when this has ended. */
  holdKeys: (until: Promise<unknown>) => void
  /** What it was told to give up, in order, whether it was well enough to do it or not. */
  orphans: Orphan[]
  /** From now on it hears of orphans and does not do it. */
  keepOrphans: (isKeeping: boolean) => void
  keepsOrphans: () => boolean
  /** How often the edge asked whether the region lives. */
  probes: () => number
  respond: (responder: Responder) => void
  /** From now on connections are refused. */
  refuse: () => Promise<void>
  /** Takes connections again, at the same address. */
  revive: () => Promise<void>
  onUpgrade: (listener: (request: IncomingMessage, socket: Socket) => void) => void
  stop: () => Promise<void>
}

const ORPHANS_PATH = ORPHAN_ROUTES.abandon.path
const KEY_QUESTION = /^\/internal\/v1\/keys\/([0-9a-f]{64})$/

export async function startFakeRegion(code: string): Promise<FakeRegion> {
  const received: Received[] = []
  const keys = new Map<string, KeyRecord>()
  let questions = 0
  let held: Promise<unknown> = Promise.resolve()
  let probes = 0
  const orphans: Orphan[] = []
  let keepsOrphans = false
  let responder: Responder = answerEcho(code)
  const server = createServer((request, response) => {
    if (request.url === '/healthz') {
      probes += 1
      response.end('{}')
      return
    }
    const hash = KEY_QUESTION.exec(request.url ?? '')?.[1]
    if (hash !== undefined) {
      questions += 1
      const data = keys.get(hash) ?? null
      void held.then(() => answerJson(response, 200, { data }))
      return
    }
    void readAll(request).then(
      (body) => {
        if (request.url === ORPHANS_PATH) {
          orphans.push(orphanBody.parse(JSON.parse(body.toString())))
          return answerJson(response, keepsOrphans ? 503 : 200, { data: { sandbox_id: null } })
        }
        const one = { method: request.method ?? '', url: request.url ?? '', headers: request.headers, body }
        received.push(one)
        return responder(one, response, request)
      },
      () => response.destroy(),
    )
  })
  server.keepAliveTimeout = 60_000
  // It is to be free when the region comes back to it.
  const port = await freePort()
  await listen(server, port)
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  return {
    code,
    url: `http://127.0.0.1:${port}`,
    received,
    keys,
    keyQuestions: () => questions,
    holdKeys: (until) => {
      held = until
    },
    orphans,
    keepOrphans: (isKeeping) => {
      keepsOrphans = isKeeping
    },
    keepsOrphans: () => keepsOrphans,
    probes: () => probes,
    respond: (next) => {
      responder = next
    },
    refuse: close,
    revive: () => listen(server, port),
    onUpgrade: (listener) => {
      server.removeAllListeners('upgrade')
      server.on('upgrade', listener)
    },
    stop: async () => {
      if (server.listening) await close()
    },
  }
}

/** A record of this region, marked as the region's own word. */
export const answerEcho =
  (code: string): Responder =>
  (received, response) =>
    answerJson(response, 200, { region: code, method: received.method, url: received.url })

export function answerJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', 'x-origin': '1', ...headers })
  response.end(JSON.stringify(body))
}

/** A refusal before anything was done. */
export const answerNotExecuted: Responder = (_received, response) =>
  answerJson(response, 503, { ok: false, error: { code: 'draining' } }, { 'x-not-executed': '1', 'retry-after': '1' })

/** The connection ends with a reset, after the whole request was read. */
export const resetConnection: Responder = (_received, _response, request) => {
  request.socket.resetAndDestroy()
}

/** Nothing, ever. */
export const hang: Responder = () => undefined

function listen(server: ReturnType<typeof createServer>, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
}

async function readAll(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  return Buffer.concat(chunks)
}
