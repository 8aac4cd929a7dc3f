/**
 * Processes and the environment as the agent serves them, in this process: one process, which says what a test lets it say, and which is
 * written to and signalled.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import {
  type GuestEnvironment,
  type GuestProcess,
  type GuestProcessStart,
  guestEnvironment,
  guestProcessStart,
} from '../../../../shared/contracts/guest-processes.ts'
import { encodeFrame, encodeJsonFrame, FRAME } from '../../../../shared/frames.ts'

export type ProcessAgent = {
  serve(request: IncomingMessage, response: ServerResponse, sandbox?: string): void
  readonly pid: string
  starts: GuestProcessStart[]
  /** What was asked, as `METHOD path: body`, but for the list of processes. */
  asked: string[]
  /** The sandboxes whose processes were listed: a region does that by itself, too, whenever it wants to know which have ended. */
  looks: string[]
  /** What the process says to whoever listens, and whether its answer goes on after that, ends or breaks off. */
  says: Uint8Array[]
  after: 'ends' | 'goes on' | 'breaks'
  /** Those who listen now. */
  listeners: Set<ServerResponse>
  /** How the process has ended, if it has. */
  ended: GuestProcess['end']
  /** What the next question is refused with. */
  refusal: { status: number; code: string; field?: string } | null
}

export const output = (text: string | Uint8Array, position: number, type: 4 | 5 = FRAME.stdout): Uint8Array => {
  const bytes = Buffer.from(text)
  const mark = Buffer.alloc(16)
  mark.writeBigUInt64BE(BigInt(position), 0)
  mark.writeBigUInt64BE(BigInt(1_700_000_000_000), 8)
  return encodeFrame(type, Buffer.concat([mark, bytes]))
}
export const exited = (exit_code: number): Uint8Array =>
  encodeJsonFrame(FRAME.exited, { exit_code, reason: 'exit', duration_ms: 5, ended_at_ms: 1_700_000_000_005 })

export function startProcessAgent(): ProcessAgent {
  const pid = 'p_abcdefghijkl'
  let environment: GuestEnvironment = { variables: [{ key: 'NOTE', value: 'planted', encrypted: false }] }
  const agent: ProcessAgent = {
    pid,
    starts: [],
    asked: [],
    looks: [],
    says: [output('hello\n', 0), exited(0)],
    after: 'ends',
    listeners: new Set(),
    ended: null,
    refusal: null,
    serve: (request, response, sandbox) => void serve(request, response, sandbox),
  }
  const facts: GuestProcess = {
    ...{ id: pid, pid: 9, name: 'dev', shown: 'npm run dev', cwd: '/workspace', user: 'sandbox' },
    ...{ started_at_ms: 1_700_000_000_000, stdin_open: true, end: null },
  }

  async function serve(request: IncomingMessage, response: ServerResponse, sandbox: string = ''): Promise<void> {
    const { method = '', url = '' } = request
    const { pathname } = new URL(url, 'http://agent')
    const body = Buffer.concat(await request.toArray()).toString()
    const [, , thing, id, deed] = pathname.split('/')
    const isLook = method === 'GET' && thing === 'processes' && id === undefined
    if (isLook) agent.looks.push(sandbox)
    else agent.asked.push(`${method} ${url}: ${body}`)
    if (!isLook && agent.refusal !== null) {
      const { status, ...refusal } = agent.refusal
      agent.refusal = null
      return json(response, { ...refusal, message: 'The agent refused.' }, status)
    }
    if (thing === 'environment') {
      if (method === 'PUT') environment = guestEnvironment.parse(JSON.parse(body))
      return method === 'DELETE' ? done(response) : json(response, environment)
    }
    if (method === 'POST' && (id === undefined || id === 'run'))
      agent.starts.push(guestProcessStart.parse(JSON.parse(body)))
    if (id === 'run' || deed === 'output') return tell(response)
    const now = { ...facts, end: agent.ended }
    if (isLook) return json(response, { processes: [now] })
    if (id !== undefined && id !== pid)
      return json(response, { code: 'process_not_found', message: 'There is no such process.' }, 404)
    if (method === 'DELETE' || deed === 'signal') return done(response)
    return json(response, deed === 'stdin' ? { written: body.length } : now)
  }

  function tell(response: ServerResponse): void {
    agent.listeners.add(response)
    response.once('close', () => agent.listeners.delete(response))
    response.writeHead(200, { 'content-type': 'application/x-atoll-frames' })
    response.write(encodeJsonFrame(FRAME.started, { id: pid, pid: 9 }))
    for (const frame of agent.says) response.write(frame)
    if (agent.after === 'ends') response.end()
    if (agent.after === 'breaks') setTimeout(() => response.destroy(), 20)
  }
  return agent
}

function json(response: ServerResponse, value: unknown, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
}
const done = (response: ServerResponse): void => void response.writeHead(204).end()
