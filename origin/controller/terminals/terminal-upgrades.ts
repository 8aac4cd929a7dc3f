/** The WebSockets of terminals: whoever asks is proven, and the sandbox woken, before anything is switched. */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { type WebSocket, WebSocketServer } from 'ws'
import { TERMINAL_ROUTES } from '../../../shared/contracts/terminals.ts'
import { AppError } from '../../../shared/errors.ts'
import { TERMINAL_MESSAGE_BYTES_MAX, TERMINAL_PROTOCOL } from '../../../shared/terminal-frames.ts'
import type { Principal } from '../accounts/principal.ts'
import type { Controller } from '../controller.ts'
import { drained } from '../events/keep-publishing.ts'
import { answerError } from '../http/answer-error.ts'
import { answerOnSocket } from '../http/answer-on-socket.ts'
import { type Arrival, answerHeaders, arrive } from '../http/arrival.ts'
import type { Upgrades } from '../http/door.ts'
import type { Door } from '../http/serve-route.ts'
import { whyCut } from '../sandboxes/ask-guest.ts'
import { attach, readWish } from './attach.ts'
import { carryTerminal } from './carry-terminal.ts'

export function terminalUpgrades(controller: Controller, door: Door<Principal>): Upgrades {
  const sockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    maxPayload: TERMINAL_MESSAGE_BYTES_MAX,
    perMessageDeflate: false,
    handleProtocols: (offered) => offered.has(TERMINAL_PROTOCOL) && TERMINAL_PROTOCOL,
  })
  sockets.on('headers', (headers, incoming) => {
    for (const [name, value] of Object.entries(answerHeaders(controller, arrive(incoming))))
      headers.push(`${name}: ${value}`)
  })
  return {
    isWanted: (incoming) => readWish(incoming) !== null,
    serve(incoming, socket, head) {
      socket.on('error', () => {})
      void serve(controller, { door, sockets }, { incoming, socket, head })
    },
    end: () => controller.events.streams.endAll(drained()),
  }
}

type Opened = { door: Door<Principal>; sockets: WebSocketServer }
type Asked = { incoming: IncomingMessage; socket: Duplex; head: Buffer }

/** Never rejects. */
async function serve(controller: Controller, opened: Opened, asked: Asked): Promise<void> {
  const arrival = arrive(asked.incoming)
  arrival.route = TERMINAL_ROUTES.connect.path
  const told = (fields: Record<string, unknown>) => ({
    request: arrival.requestId,
    ...arrival.caller,
    ms: Math.round(arrival.timing.elapsedMs()),
    ...fields,
  })
  try {
    const code = await view(controller, opened, asked, arrival)
    controller.log('info', 'terminal.left', told({ close: code }))
  } catch (thrown) {
    await answerOnSocket(asked.socket, answerError(controller, arrival, thrown))
    const code = arrival.failure?.code
    controller.log(code === 'internal' ? 'error' : 'info', 'terminal.refused', told({ code }))
  }
}

/** Throws what the caller should hear in place of a WebSocket. */
async function view(
  controller: Controller,
  { door, sockets }: Opened,
  asked: Asked,
  arrival: Arrival,
): Promise<number> {
  if (controller.isDraining()) throw drained()
  const wish = readWish(asked.incoming)
  if (wish === null) throw new AppError('upgrade_required', 'A terminal is seen on a WebSocket.')
  const { who } = await door(arrival, TERMINAL_ROUTES.connect)
  const place = controller.events.streams.open(who)
  const { caller, settle } = leavingEarly(asked.socket)
  try {
    const { socket: agent, row } = await attach(controller, { principal: who, caller, timing: arrival.timing }, wish)
    const viewer = await upgrade(sockets, asked, caller).finally(settle)
    return await carryTerminal({ viewer, agent, mustEnd: place.signal, whyCut: () => whyCut(controller, row) })
  } finally {
    place.close()
  }
}

/** Aborted when the caller leaves before `settle` is called: what is begun for them then is broken off. */
function leavingEarly(socket: Duplex): { caller: AbortSignal; settle: () => void } {
  const left = new AbortController()
  const leave = (): void => left.abort(new Error('The viewer left before the terminal was there.'))
  socket.once('close', leave)
  if (socket.closed) leave()
  return { caller: left.signal, settle: () => void socket.off('close', leave) }
}

/** A request that is no WebSocket's is refused by the library, which closes the connection. */
function upgrade(sockets: WebSocketServer, { incoming, socket, head }: Asked, caller: AbortSignal): Promise<WebSocket> {
  return new Promise((resolve, reject) => {
    caller.addEventListener('abort', () => reject(caller.reason), { once: true })
    if (caller.aborted) reject(caller.reason)
    else sockets.handleUpgrade(incoming, socket, head, resolve)
  })
}
