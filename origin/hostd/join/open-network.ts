/** Makes a host reachable for controllers on other machines, and known to them. Only a host that was told an address does any of it. */
import type { Server } from 'node:http'
import type { Config } from '../config.ts'
import type { Log } from '../log.ts'
import { keepIdentity } from './identity.ts'
import { joinRegion } from './join-region.ts'
import { type Fetch, listenTls } from './listen-tls.ts'

export type Network = {
  /** The one that was opened, if any. */
  servers: Server[]
  /** Resolves when the region has said that it will never take this host in, so that nobody would ever call it. */
  refused: Promise<'refused'>
}

/** It joins in the background, because the region may not be there yet, or not any more. */
export async function openNetwork(
  { network, stateDir }: Pick<Config, 'network' | 'stateDir'>,
  fetch: Fetch,
  stopping: AbortSignal,
  log: Log,
): Promise<Network> {
  const { promise: refused, resolve } = Promise.withResolvers<'refused'>()
  if (network === null) return { servers: [], refused }
  const identity = await keepIdentity(stateDir)
  const { server, port } = await listenTls(fetch, network.listen, identity, log)
  const { host } = network.listen
  const url = network.url ?? `https://${host.includes(':') ? `[${host}]` : host}:${port}`
  log('listening', { url, fingerprint: identity.fingerprint })
  if (network.join !== null)
    void joinRegion({ ...network.join, url }, identity, stopping, log).then((outcome) => {
      if (outcome === 'refused') resolve(outcome)
    })
  return { servers: [server], refused }
}
