/**
 * One request to a host whose body and whose answer's body are the two directions of a conversation. It has a connection of its own, so
 * that what passes holds up no call.
 */
import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http'
import { Duplex } from 'node:stream'
import { buildConnector } from 'undici'
import { LIMITS } from '../../../shared/limits.ts'
import type { HostAddress } from './address.ts'
import { connectPinned } from './connect-pinned.ts'
import { type Trouble, troubleOfThrown } from './outcome.ts'

type Wish = { method: string; path: string; headers?: Record<string, string> }
export type Begun = { kind: 'begun'; request: ClientRequest; response: IncomingMessage }

/** The head of the answer, with nothing sent yet. Aborting `caller` breaks the conversation off, whenever that is. */
export async function openDuplex(
  address: HostAddress,
  { method, path, headers }: Wish,
  caller: AbortSignal,
): Promise<Begun | Trouble> {
  const patience = new AbortController()
  const timer = setTimeout(() => patience.abort(new Error('The host did not answer in time.')), LIMITS.hostRequestMs)
  try {
    const connection = await connect(address)
    const request = httpRequest({
      method,
      path,
      headers: {
        'content-type': 'application/octet-stream',
        ...headers,
        ...(address.kind === 'network' ? { authorization: `Bearer ${address.secret}` } : {}),
      },
      createConnection: () => connection,
      signal: AbortSignal.any([caller, patience.signal]),
    })
    request.flushHeaders()
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      request.once('response', resolve).on('error', reject)
    })
    return { kind: 'begun', request, response }
  } catch (thrown) {
    return troubleOfThrown(thrown)
  } finally {
    clearTimeout(timer)
  }
}

/** Breaks with an error when it was cut, and ends when the other side ended it. */
export const socketOf = ({ request, response }: Begun): Duplex => Duplex.from({ writable: request, readable: response })

function connect(address: HostAddress): Promise<Duplex> {
  const { connector, url } =
    address.kind === 'network'
      ? { connector: connectPinned(address), url: new URL(address.url) }
      : {
          connector: buildConnector({ socketPath: address.socketPath, timeout: LIMITS.hostRequestMs }),
          url: new URL('http://host'),
        }
  const { hostname, host, protocol, port } = url
  return new Promise((resolve, reject) => {
    connector({ hostname, host, protocol, port }, (...[err, socket]) => {
      if (err === null) resolve(socket)
      else reject(err)
    })
  })
}
