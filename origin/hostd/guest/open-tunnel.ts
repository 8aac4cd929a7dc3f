/** A connection to one of a machine's own ports, as one stream of the session. */
import { type ClientHttp2Stream, constants } from 'node:http2'
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Channel } from './channel.ts'
import { unreachable } from './handshake.ts'
import { ask } from './request.ts'

/** The guest's refusals: nothing listens there, and it is of a template from before there were tunnels. */
const NOBODY = 502
const NO_ROUTE = 404

/** Both directions, once somebody there has taken the connection. Throws AppError: port_closed, guest_unreachable. */
export async function openTunnel(channel: Channel, port: number, caller?: AbortSignal): Promise<ClientHttp2Stream> {
  const patience = new AbortController()
  const giveUp = (): void => patience.abort(unreachable('The agent in the sandbox did not reach its port in time.'))
  const timer = setTimeout(giveUp, LIMITS.tunnelOpenMs)
  const signal = caller === undefined ? patience.signal : AbortSignal.any([caller, patience.signal])
  const path = `/v1/ports/${port}`
  const { status, stream } = await ask(channel.http2, {
    method: 'POST',
    path,
    isOpenEnded: true,
    signal,
    limitMs: null,
  }).finally(() => clearTimeout(timer))
  if (status === constants.HTTP_STATUS_OK) return channel.counted(stream)
  stream.close(constants.NGHTTP2_CANCEL)
  if (status === NOBODY) throw new AppError('port_closed', `Nothing in the sandbox listens on port ${port}.`)
  if (status === NO_ROUTE) throw unreachable('The agent in this sandbox is too old to reach its ports.')
  throw unreachable(`The agent in the sandbox could not reach its port (${status}).`)
}
