/** Joins a request and its answer to a call to the agent: neither body faster than it is taken, and a cut is never taken for an end. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { constants } from 'node:http2'
import {
  GUEST_ANSWER_HEADER,
  GUEST_METHODS,
  GUEST_WORK_HEADER,
  HOST_ROUTES,
  passesToGuest,
} from '../../../shared/contracts/host.ts'
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { GuestCall } from '../guest/open-call.ts'
import type { CarriedCall } from '../vm/call-guest.ts'

const PREFIX = new RegExp(`^${HOST_ROUTES.guest.path.replace(':id', '[^/]+').replace(':rest{.+}', '')}`)
/** What a path and a query may have without being written in another way. */
const PLAIN = /^[\w.~!$&'()*+,;=:@/?%-]+$/

/** Throws AppError('invalid_request') for what the agent should never see. */
export function callOf({ method, url = '', headers }: IncomingMessage): GuestCall & { isWork: boolean } {
  const known = GUEST_METHODS.find((name) => name === method)
  const rest = url.replace(PREFIX, '')
  if (known === undefined || rest.length > LIMITS.guestPathCharsMax || !PLAIN.test(rest))
    throw new AppError('invalid_request', 'The agent is asked for what it cannot have.', { detail: `${method} ${url}` })
  const passing = Object.entries(headers).flatMap(([name, value]) =>
    typeof value === 'string' && passesToGuest(name) && name !== GUEST_WORK_HEADER ? [[name, value] as const] : [],
  )
  return {
    method: known,
    path: `/v1/${rest}`,
    headers: Object.fromEntries(passing),
    hasBody: headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined,
    isWork: headers[GUEST_WORK_HEADER] === '1',
  }
}

/** Resolves when the call is over. Rejects, with nothing answered yet, when the agent gave no answer. */
export async function carryCall(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  { stream, head, broken, noteActivity }: CarriedCall,
): Promise<void> {
  const closed = new Promise<void>((resolve) => stream.once('close', resolve))
  // How it ended is read from its code; an error that nobody hears would end the process.
  stream.on('error', () => {})
  incoming.on('error', () => {})
  incoming.on('data', noteActivity)
  // A body that breaks off never ends, and the caller who left resets the stream: so half of one is never whole to the agent.
  if (stream.writable) incoming.pipe(stream)
  const { status, headers } = await head
  outgoing.writeHead(status, { ...headers, [GUEST_ANSWER_HEADER]: '1' })
  // What is there of the body leaves with the head: each piece that comes by itself wakes whoever reads it.
  const { socket } = outgoing
  socket?.cork()
  setImmediate(() => socket?.uncork())
  outgoing.flushHeaders()
  stream.pipe(outgoing, { end: false })
  await closed
  // An agent may answer without hearing everything; what it does not hear is no failure.
  incoming.unpipe(stream).resume()
  if (stream.rstCode === constants.NGHTTP2_NO_ERROR && !broken.aborted) outgoing.end()
  else outgoing.destroy()
}
