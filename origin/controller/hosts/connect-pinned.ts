/**
 * Connects to a machine that is known by its certificate: whoever answers with another one is sent nothing.
 *
 * The certificate signs itself, so the usual chain of trust is not asked; its SHA-256 is compared instead, which nobody but the holder
 * of its private key can pass. Sessions are not kept, so that every connection shows its certificate.
 */
import { isIP, type LookupFunction } from 'node:net'
import { TLSSocket } from 'node:tls'
import { buildConnector } from 'undici'
import { LIMITS } from '../../../shared/limits.ts'
import { publicNames } from '../webhooks/name-servers.ts'
import { isPublicAddress } from './address.ts'

/** No byte of a request has left. */
export class NotConnected extends Error {
  readonly code = 'HOST_NOT_CONNECTED'
}

export type Pin = { fingerprint: string; isPublicOnly: boolean }

export function connectPinned({ fingerprint, isPublicOnly }: Pin): buildConnector.connector {
  const connect = buildConnector({
    rejectUnauthorized: false,
    minVersion: 'TLSv1.3',
    allowH2: false,
    maxCachedSessions: 0,
    timeout: LIMITS.tlsHandshakeMs,
    // A machine that vanished is noticed under a command that is silent for an hour, too.
    keepAliveInitialDelay: LIMITS.hostSilenceMs,
    ...(isPublicOnly ? { lookup: lookupPublic } : {}),
  })
  return (options, callback) => {
    const address = options.hostname.replace(/^\[|\]$/g, '')
    if (isPublicOnly && isIP(address) !== 0 && !isPublicAddress(address))
      return callback(new NotConnected(`${address} is not a public address.`), null)
    connect({ ...options, hostname: address }, (...[err, socket]) => {
      if (err !== null || socket === null) return callback(new NotConnected('No connection.', { cause: err }), null)
      if (fingerprintOf(socket) === fingerprint) return callback(null, socket)
      socket.destroy()
      callback(new NotConnected('The machine there has another certificate.'), null)
    })
  }
}

function fingerprintOf(socket: unknown): string | undefined {
  if (!(socket instanceof TLSSocket)) return undefined
  return socket.getPeerX509Certificate()?.fingerprint256.replaceAll(':', '').toLowerCase()
}

const names = publicNames()

/** Answers only with public addresses, at the moment of connecting, so that a name cannot change its mind after a check. */
const lookupPublic: LookupFunction = (name, options, callback) => {
  names(name).then(
    (found) => {
      const addresses = found.filter(({ address }) => isPublicAddress(address))
      const [first] = addresses
      if (first === undefined) return callback(new NotConnected(`${name} has no public address.`), '', 0)
      if (options.all === true) return callback(null, addresses)
      callback(null, first.address, first.family)
    },
    (cause: unknown) => callback(new NotConnected(`Nothing is known of ${name}.`, { cause }), '', 0),
  )
}
