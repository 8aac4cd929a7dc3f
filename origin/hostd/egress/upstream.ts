/** A request to the host that a sandbox asked for, at one of the addresses that were checked, and no other. */
import { type ClientRequest, type Agent as HttpAgent, request as requestHttp } from 'node:http'
import { type Agent as HttpsAgent, request as requestHttps } from 'node:https'
import { isIP, type LookupFunction } from 'node:net'
import { LIMITS } from '../../../shared/limits.ts'
import type { Address } from '../../../shared/public-address.ts'
import type { Inside } from './visit.ts'

export type Upstream = Inside & {
  addresses: Address[]
  method: string
  path: string
  headers: string[]
  agent: HttpAgent | HttpsAgent | false
  trusted: string[] | undefined
}

/** Answers every question with what is known already. */
export const answeringWith =
  (addresses: Address[]): LookupFunction =>
  (_host, options, tell) => {
    const [first] = addresses
    if (options.all === true) tell(null, addresses)
    else tell(null, first?.address ?? '', first?.family ?? 0)
  }

/** It fails when nobody answers in time, when the certificate is not that of the host, and when nothing passes for long. */
export function askUpstream({ scheme, addresses, trusted, ...rest }: Upstream): ClientRequest {
  const options = { ...rest, lookup: answeringWith(addresses), setHost: false, joinDuplicateHeaders: false }
  const tls = { servername: isIP(rest.host) === 0 ? rest.host : '', ...(trusted === undefined ? {} : { ca: trusted }) }
  const asked = scheme === 'https' ? requestHttps({ ...options, ...tls }) : requestHttp(options)
  const giveUp = setTimeout(() => asked.destroy(new Error('Nobody answers there.')), LIMITS.egressConnectMs)
  asked.once('close', () => clearTimeout(giveUp))
  asked.once('socket', (socket) => {
    if (asked.reusedSocket) clearTimeout(giveUp)
    else socket.once(scheme === 'https' ? 'secureConnect' : 'connect', () => clearTimeout(giveUp))
  })
  return asked.setTimeout(LIMITS.egressIdleMs, () => asked.destroy(new Error('Nothing passed for too long.')))
}
