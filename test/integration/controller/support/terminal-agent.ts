/**
 * Terminals as the agent serves them, in this process: what is typed is shown, a size is told, and `exit N` ends one. It can be made to
 * say anything, to hear nothing, and to break off.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import {
  type GuestTerminal,
  type GuestTerminalOrder,
  guestTerminalOrder,
} from '../../../../shared/contracts/guest-terminals.ts'
import { encodeFrame, FrameDecoder } from '../../../../shared/frames.ts'
import { TERMINAL_FRAME, type TerminalFrameType } from '../../../../shared/terminal-frames.ts'

export type TerminalAgent = {
  serve(request: IncomingMessage, response: ServerResponse): void
  orders: GuestTerminalOrder[]
  /** What was typed, all terminals together. */
  typed: string
  sizes: number[][]
  places: string[]
  viewers: Set<ServerResponse>
  /** Ends that the agent heard of: whoever stopped typing for good. */
  goodbyes: number
  /** While set, what is typed is not read. */
  isDeaf: boolean
}

const ID = 'term_0123456789abcdef01234567'

export function startTerminalAgent(): TerminalAgent {
  const terminals = new Map<string, GuestTerminal>()
  const agent: TerminalAgent = {
    orders: [],
    typed: '',
    sizes: [],
    places: [],
    viewers: new Set(),
    goodbyes: 0,
    isDeaf: false,
    serve(request, response) {
      const { pathname, searchParams } = new URL(request.url ?? '', 'http://agent')
      const [, , , id, deed] = pathname.split('/')
      const found = terminals.get(id ?? '')
      if (id === undefined && request.method === 'POST') return void begin(request, response)
      if (id === undefined) return answer(response, 200, { terminals: [...terminals.values()] })
      if (found === undefined)
        return answer(response, 404, { code: 'terminal_not_found', message: 'There is no such terminal.' })
      if (deed === 'attach') return attach(found, searchParams.get('place') ?? '', request, response)
      terminals.delete(id)
      response.writeHead(204).end()
    },
  }

  async function begin(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const order = guestTerminalOrder.parse(JSON.parse(Buffer.concat(await request.toArray()).toString()))
    agent.orders.push(order)
    if (order.shell === '/no/such')
      return answer(response, 422, { code: 'terminal_not_started', message: '/no/such: command not found' })
    const { cols, rows, shell } = order
    const id = ID.slice(0, -2) + terminals.size.toString(16).padStart(2, '0')
    const facts = {
      id,
      cols,
      rows,
      shell,
      pid: 7,
      began_at_ms: Date.now(),
      viewers: 0,
      shown_bytes: 0,
      exit_code: null,
    }
    terminals.set(id, facts)
    answer(response, 201, facts)
  }

  function attach(terminal: GuestTerminal, place: string, request: IncomingMessage, response: ServerResponse): void {
    agent.places.push(place)
    agent.viewers.add(response)
    response.writeHead(200, { 'content-type': 'application/x-atoll-frames' })
    const say = (type: number, bytes: Uint8Array): boolean => response.write(encodeFrame(type, bytes))
    say(TERMINAL_FRAME.place, Buffer.from(BigInt(place).toString(16).padStart(16, '0'), 'hex'))
    const decoder = new FrameDecoder<TerminalFrameType>(TERMINAL_FRAME)
    const hear = (chunk: Buffer): void => {
      for (const { type, payload } of decoder.push(chunk)) {
        if (type === TERMINAL_FRAME.resize) agent.sizes.push([...payload])
        if (type !== TERMINAL_FRAME.stdin) continue
        const text = Buffer.from(payload).toString()
        agent.typed += text
        const code = /^exit (\d+)\n$/.exec(text)?.[1]
        if (code === undefined) say(TERMINAL_FRAME.stdout, Buffer.from(payload))
        else response.end(encodeFrame(TERMINAL_FRAME.exit, Buffer.from([0, 0, 0, Number(code)])))
        terminal.exit_code = code === undefined ? null : Number(code)
      }
    }
    if (!agent.isDeaf) request.on('data', hear)
    request.on('error', () => {})
    request.once('end', () => {
      agent.goodbyes += 1
      response.end()
    })
    response.once('close', () => agent.viewers.delete(response))
  }
  return agent
}

function answer(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(value))
}
