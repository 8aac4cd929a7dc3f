/** A connection to a port of a machine, by way of its host. */
import type { Duplex } from 'node:stream'
import { HOST_ROUTES } from '../../../shared/contracts/host.ts'
import type { HostAddress } from './address.ts'
import { openDuplex, socketOf } from './open-duplex.ts'
import type { Trouble } from './outcome.ts'
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
  const { method } = HOST_ROUTES.tunnel
  const path = HOST_ROUTES.tunnel.path.replace(':id', id).replace(':port', String(port))
  const begun = await openDuplex(address, { method, path }, caller)
  if (begun.kind !== 'begun') return begun
  const { request, response } = begun
  if (response.statusCode === HOST_ROUTES.tunnel.status) return { kind: 'opened', socket: socketOf(begun) }
  const { statusCode = 0, headers } = response
  const refusal = await readRefusal({ statusCode, headers, body: response })
  request.destroy()
  return refusal
}
