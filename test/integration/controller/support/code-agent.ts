/** Code as the agent serves it, in this process: every call does what its code is told to do here, and may say anything. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import {
  CODE_FRAME,
  type GuestCodeContext,
  type GuestCodeEnd,
  type GuestCodeOrder,
  guestCodeOrder,
} from '../../../../shared/contracts/guest-code.ts'
import { encodeFrame } from '../../../../shared/frames.ts'

/** What a call says; it is at its end when this resolves, unless it was broken off. */
export type Play = (say: Say, call: { order: GuestCodeOrder; left: Promise<void> }) => Promise<void> | void
export type Say = {
  output(type: 'stdout' | 'stderr', bytes: string | number[]): void
  /** In pieces of so many bytes. */
  message(type: 'result' | 'failure', value: unknown, pieceBytes?: number): void
  end(end?: Partial<GuestCodeEnd>): void
  raw(type: number, payload: string): void
  breakOff(): void
}

export type CodeAgent = {
  serve(request: IncomingMessage, response: ServerResponse): void
  orders: GuestCodeOrder[]
  contexts: Map<string, GuestCodeContext>
  /** By code; what is not in here says nothing and ends well. */
  plays: Map<string, Play>
  /** Calls that were broken off by the other side. */
  left: string[]
  verbs: string[]
}

const BREAK_MS = 50
const END: GuestCodeEnd = {
  exit_code: 0,
  reason: 'exit',
  duration_ms: 3,
  stdout_truncated: false,
  stderr_truncated: false,
  results_truncated: false,
  context_restarted: false,
}

export function startCodeAgent(): CodeAgent {
  const agent: CodeAgent = {
    orders: [],
    contexts: new Map(),
    plays: new Map(),
    left: [],
    verbs: [],
    serve(request, response) {
      const [, , , , id, verb] = (request.url ?? '').split('/')
      const isContexts = request.url?.startsWith('/v1/code/contexts')
      if (!isContexts) return void play(agent, request, response)
      if (id === undefined && request.method === 'POST') return void make(agent, request, response)
      if (id === undefined) return answer(response, 200, { contexts: [...agent.contexts.values()] })
      const found = agent.contexts.get(id)
      if (found === undefined)
        return answer(response, 404, { code: 'context_not_found', message: 'There is no such context.' })
      agent.verbs.push(`${request.method} ${verb ?? ''}`)
      if (request.method !== 'DELETE') return answer(response, 200, found)
      agent.contexts.delete(id)
      response.writeHead(204).end()
    },
  }
  return agent
}

async function make(agent: CodeAgent, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { language, cwd } = JSON.parse(await text(request))
  const made: GuestCodeContext = {
    id: `ctx_${(agent.contexts.size + 1).toString(16).padStart(16, '0')}`,
    language,
    cwd,
    is_default: false,
    created_at_ms: 0,
    execution_count: 0,
    is_running: false,
  }
  agent.contexts.set(made.id, made)
  answer(response, 201, made)
}

async function play(agent: CodeAgent, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const order = guestCodeOrder.parse(JSON.parse(await text(request)))
  agent.orders.push(order)
  if (order.context_id === 'ctx_nonsuch')
    return answer(response, 404, { code: 'context_not_found', message: 'There is no such context.' })
  const left = new Promise<void>((resolve) => response.once('close', resolve))
  response.once('close', () => !response.writableEnded && agent.left.push(order.code))
  response.writeHead(200, { 'content-type': 'application/x-atoll-frames' })
  const say = sayOn(response)
  const context_id = order.is_passing === true ? '' : (order.context_id ?? `ctx_${order.language}`)
  say.raw(CODE_FRAME.started, JSON.stringify({ context_id, execution_count: 1 }))
  const known = agent.plays.get(order.code)
  if (known === undefined) return say.end()
  await known(say, { order, left })
}

function sayOn(response: ServerResponse): Say {
  const write = (type: number, payload: Uint8Array) => response.write(encodeFrame(type, payload))
  return {
    output: (type, bytes) => write(CODE_FRAME[type], Buffer.from(bytes as string)),
    message(type, value, pieceBytes = 30_000) {
      const all = Buffer.from(JSON.stringify(value))
      let at = 0
      for (; all.length - at > pieceBytes; at += pieceBytes) write(CODE_FRAME.piece, all.subarray(at, at + pieceBytes))
      write(CODE_FRAME[type], all.subarray(at))
    },
    end(end = {}) {
      write(CODE_FRAME.exited, Buffer.from(JSON.stringify({ ...END, ...end })))
      response.end()
    },
    raw: (type, payload) => write(type, Buffer.from(payload)),
    // Behind what it has said.
    breakOff: () => void setTimeout(() => response.destroy(), BREAK_MS),
  }
}

function answer(response: ServerResponse, status: number, value: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
}
