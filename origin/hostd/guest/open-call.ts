/** A call to the agent that passes through this daemon unread: both of its bodies are streams. */
import type { ClientHttp2Stream, IncomingHttpHeaders } from 'node:http2'
import { GUEST_ANSWER_HEADER, type GuestMethod, passesToGuest } from '../../../shared/contracts/host.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Channel } from './channel.ts'
import { unreachable } from './handshake.ts'
import { begin } from './request.ts'

export type GuestCall = {
  method: GuestMethod
  /** With its query. */
  path: string
  headers: Record<string, string>
  /** Whether a body follows on the stream. */
  hasBody: boolean
}
export type GuestHead = { status: number; headers: Record<string, string> }
export type OpenCall = {
  stream: ClientHttp2Stream
  /** May come before all of the body is sent, or after it. Rejects with AppError('guest_unreachable'), or the signal's reason. */
  head: Promise<GuestHead>
}

/** Aborting `signal` breaks it off, whenever that is. Throws AppError('guest_unreachable'). */
export function openCall(channel: Channel, { hasBody, ...call }: GuestCall, signal: AbortSignal): OpenCall {
  const { stream, head } = begin(channel.http2, { ...call, isOpenEnded: hasBody, signal, limitMs: null })
  return { stream: channel.counted(stream), head: head.then(checkHead) }
}

const [STATUS_MIN, STATUS_MAX] = [200, 599]

function checkHead(answer: IncomingHttpHeaders): GuestHead {
  const status = Number(answer[':status'])
  if (!(status >= STATUS_MIN && status <= STATUS_MAX))
    throw unreachable(`The agent answered with the status ${status}.`)
  const passing = Object.entries(answer).flatMap(([name, value]) =>
    typeof value === 'string' && passesToGuest(name) && name !== GUEST_ANSWER_HEADER ? [[name, value] as const] : [],
  )
  if (passing.some(([, value]) => value.length > LIMITS.guestHeaderCharsMax))
    throw unreachable('The agent answered with a header that is too long.')
  return { status, headers: Object.fromEntries(passing) }
}
