/** Makes a host reachable for controllers on other machines, and known to them. Only a host that was told an address does any of it. */
import type { Server } from 'node:http'
import type { Config } from '../config.ts'
import type { Log } from '../log.ts'
import { keepIdentity } from './identity.ts'
import { joinRegion } from './join-region.ts'
import { type Fetch, listenTls } from './listen-tls.ts'

/** The server that was opened, if any. It joins in the background, because the region may not be there yet, or not any more. */
export async function openNetwork(
  { network, stateDir }: Pick<Config, 'network' | 'stateDir'>,
  fetch: Fetch,
  stopping: AbortSignal,
  log: Log,
): Promise<Server[]> {
  if (network === null) return []
  const identity = await keepIdentity(stateDir)
  const { server, port } = await listenTls(fetch, network.listen, identity, log)
  const { host } = network.listen
  const url = network.url ?? `https://${host.includes(':') ? `[${host}]` : host}:${port}`
  log('listening', { url, fingerprint: identity.fingerprint })
  if (network.join !== null) void joinRegion({ ...network.join, url }, identity, stopping, log)
  return [server]
}
