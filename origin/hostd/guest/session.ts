/**
 * One conversation with the agent inside a machine: HTTP/2 over its data port, begun by a handshake on its control port.
 *
 * A machine has at most one session at a time; opening a new one ends the one before, also inside the guest. What the
 * guest sends is bounded and parsed; a guest that misbehaves fails its session and nothing else.
 */
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2'
import { type GuestExec, type GuestHealth, type GuestWake, guestHealth } from '../../../shared/contracts/guest.ts'
import type { Frame } from '../../../shared/frames.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { Channel, type Wire } from './channel.ts'
import { closePorts, type Ports, shakeHands, unreachable } from './handshake.ts'
import { type GuestCall, type OpenCall, openCall } from './open-call.ts'
import { openTunnel } from './open-tunnel.ts'
import { ask, readAnswer } from './request.ts'
import { runExec } from './run-exec.ts'
import { type Violation, violationOf } from './violation.ts'

export type GuestSessionOptions = {
  /** The unix sockets of the machine's two virtio-serial ports. */
  dataPath: string
  controlPath: string
  /** Ends the attempts to reach a guest that does not answer yet; a session that is open no longer looks at it. */
  signal: AbortSignal
  /** Lets the commands of the session before go on; what they say is heard by nobody. */
  keepsCommands?: boolean
  wire: Wire
  /** Called when the agent did what none of ours does. The session is over then. */
  accuse: (violation: Violation) => void
}

type CallOptions = { signal?: AbortSignal }

/** Every method fails with AppError('guest_unreachable') when the session is lost, or FrameError when its frames are not frames. */
export type GuestSession = {
  health(options?: CallOptions): Promise<GuestHealth>
  /** Resolves when the agent has answered, which it does beside whatever else it is asked in the same moment. */
  answers(limitMs: number): Promise<void>
  wake(wake: GuestWake, options?: CallOptions): Promise<void>
  /** Resolves when no command of an earlier session runs any more. */
  keptEnded(options?: CallOptions): Promise<void>
  /**
   * The frames of one command: started, then stdout and stderr in any order, then exited. Aborting or leaving the loop kills
   * the command; a guest that does not end it in time is the caller's to abort. A process that could not be started is what a shell makes of it: stderr, then exited with 127 or 126.
   */
  exec(exec: GuestExec, options?: CallOptions): AsyncIterable<Frame>
  /** A connection to a port of the machine. Aborting breaks it off. Fails with AppError('port_closed') when nothing listens there. */
  tunnel(port: number, options?: CallOptions): Promise<ClientHttp2Stream>
  /** A call whose bodies pass unread. Aborting breaks it off. */
  call(call: GuestCall, signal: AbortSignal): OpenCall
  /** Resolves when the session has ended, for whatever reason. It never rejects. */
  readonly closed: Promise<void>
  /** Ends the session and its commands. Safe to repeat; it also happens when the guest hangs up. */
  close(): void
}

/** Waits until the guest answers or the signal ends the wait. Fails with AppError('guest_unreachable'). */
export async function openGuestSession(options: GuestSessionOptions): Promise<GuestSession> {
  const { wire, accuse } = options
  const accuseOf = (error: unknown): void => {
    const violation = violationOf(error)
    if (violation !== null) accuse(violation)
  }
  const ports = await shakeHands(options).catch((error) => {
    accuseOf(error.cause)
    throw error
  })
  const session = speakHttp2(ports)
  session.on('error', accuseOf)
  const channel = new Channel(session, ports.data, wire)
  const closed = new Promise<void>((resolve) => session.once('close', resolve)).then(() => closePorts(ports))
  const limitMs = LIMITS.guestRequestMs
  return {
    async health({ signal } = {}) {
      return readAnswer(await ask(session, { method: 'GET', path: '/v1/health', signal, limitMs }), guestHealth)
    },
    answers: (limitMs) => ping(session, limitMs),
    async wake(body, { signal } = {}) {
      const { status, stream } = await ask(session, { method: 'POST', path: '/v1/wake', body, signal, limitMs })
      stream.close(constants.NGHTTP2_CANCEL)
      if (status !== 204) throw unreachable(`The agent in the sandbox could not wake (${status}).`)
    },
    async keptEnded({ signal } = {}) {
      const { stream } = await ask(session, { method: 'GET', path: '/v1/kept', signal, limitMs: null })
      stream.close(constants.NGHTTP2_CANCEL)
    },
    exec: (exec, { signal } = {}) => runExec(channel, exec, signal),
    tunnel: (port, { signal } = {}) => openTunnel(channel, port, signal),
    call: (call, signal) => openCall(channel, call, signal),
    closed,
    close: () => session.destroy(),
  }
}

async function ping(session: ClientHttp2Session, limitMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  await new Promise<void>((resolve, reject) => {
    const fail = (): void => reject(unreachable('The agent in the sandbox did not answer.'))
    timer = setTimeout(fail, limitMs)
    if (session.destroyed || !session.ping((error) => (error === null ? resolve() : fail()))) fail()
  }).finally(() => clearTimeout(timer))
}

/** The bounds are on what a hostile guest can make this process hold. */
function speakHttp2(ports: Ports): ClientHttp2Session {
  const session = connect('http://guest', {
    createConnection: () => ports.data,
    maxSessionMemory: LIMITS.guestSessionMemoryMibMax,
    maxHeaderListPairs: LIMITS.guestHeadersMax,
    maxSettings: LIMITS.guestHeadersMax,
    maxOutstandingPings: 1,
    maxReservedRemoteStreams: 0,
    settings: {
      enablePush: false,
      initialWindowSize: LIMITS.guestWindowBytes,
      maxFrameSize: LIMITS.guestPieceBytesMax,
    },
  })
  session.once('connect', () => {
    // It may have been given up in the moment in which it came about.
    if (!session.destroyed) session.setLocalWindowSize(LIMITS.guestSessionWindowBytes)
  })
  session.on('error', () => session.destroy())
  session.on('goaway', () => session.destroy())
  ports.control.once('close', () => session.destroy())
  return session
}
