/**
 * A connection to a port of a machine, by way of its host: one request, whose body and whose answer's body are its two directions. It
 * has a connection of its own, so that what passes holds up no call.
 */
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { Duplex } from 'node:stream'
import { buildConnector } from 'undici'
import { HOST_ROUTES } from '../../../shared/contracts/host.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { HostAddress } from './address.ts'
import { connectPinned } from './connect-pinned.ts'
import { type Trouble, troubleOfThrown } from './outcome.ts'
import { readRefusal } from './read-refusal.ts'

/** A socket that breaks with an error when it was cut, and ends when the server in the sandbox ended it. */
export type Tunnel = { kind: 'opened'; socket: Duplex }

/** Aborting `caller` breaks the tunnel off, whenever that is. */
export async function openTunnel(
  address: HostAddress,
  id: string,
  port: number,
  caller: AbortSignal,
): Promise<Tunnel | Trouble> {
  const patience = new AbortController()
  const timer = setTimeout(() => patience.abort(new Error('The host opened no tunnel in time.')), LIMITS.hostRequestMs)
  try {
    const connection = await connect(address)
    const request = httpRequest({
      method: HOST_ROUTES.tunnel.method,
      path: HOST_ROUTES.tunnel.path.replace(':id', id).replace(':port', String(port)),
      headers: {
        'content-type': 'application/octet-stream',
        ...(address.kind === 'network' ? { authorization: `Bearer ${address.secret}` } : {}),
      },
      createConnection: () => connection,
      signal: AbortSignal.any([caller, patience.signal]),
    })
    request.flushHeaders()
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      request.once('response', resolve).on('error', reject)
    })
    if (response.statusCode === HOST_ROUTES.tunnel.status)
      return { kind: 'opened', socket: Duplex.from({ writable: request, readable: response }) }
    const { statusCode = 0, headers } = response
    const refusal = await readRefusal({ statusCode, headers, body: response })
    request.destroy()
    return refusal
  } catch (thrown) {
    return troubleOfThrown(thrown)
  } finally {
    clearTimeout(timer)
  }
}

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
