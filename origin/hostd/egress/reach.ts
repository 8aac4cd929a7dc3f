/**
 * The addresses of a name that a sandbox asked for. Those that are given back are the ones to connect to: asked again, a name server
 * that belongs to the sandbox's owner could answer with one of ours.
 */
import { lookup, Resolver } from 'node:dns/promises'
import { networkInterfaces } from 'node:os'
import { LIMITS } from '../../../shared/limits.ts'
import {
  type Address,
  familyOf,
  isSameAddress,
  type NameServer,
  privateRangeOf,
} from '../../../shared/public-address.ts'

export type Reach = 'public' | 'private'
export type Found = { kind: 'found'; addresses: Address[] } | { kind: 'refused'; reason: 'address' | 'unresolved' }

/** What may be opened at all: services of a cloud trust whoever asks them from a link-local address, and the rest is nobody's. */
const OPENABLE = new Set(['private', 'loopback', 'carrierGradeNat', 'uniqueLocal'])

/**
 * A public address of this machine leads past whatever guards it from outside. Looked at anew each time, because addresses come and go.
 */
const ownAddresses = (): string[] =>
  Object.values(networkInterfaces()).flatMap((of) => (of ?? []).map(({ address }) => address))

/** One bad address is enough: which of them answers is not ours to choose. */
export async function addressesOf(
  host: string,
  reach: Reach,
  names: NameServer,
  own: readonly string[] = ownAddresses(),
): Promise<Found> {
  const family = familyOf(host)
  const addresses = family === 0 ? await names(host).catch(() => []) : [{ address: host, family }]
  if (addresses.length === 0) return { kind: 'refused', reason: 'unresolved' }
  const isRefused = ({ address }: Address): boolean => {
    const range = privateRangeOf(address)
    if (reach === 'private') return range !== null && !OPENABLE.has(range)
    return range !== null || own.some((one) => isSameAddress(one, address))
  }
  return addresses.some(isRefused) ? { kind: 'refused', reason: 'address' } : { kind: 'found', addresses }
}

/**
 * As the internet sees it: asked of name servers directly, because the system's resolver holds one of its few threads until it has an
 * answer, and somebody's name server may never give one. `servers` are `address:port`; without any, those of this machine.
 */
export function publicNames(servers?: readonly string[]): NameServer {
  const timeout = LIMITS.egressLookupMs
  const resolver = new Resolver({ timeout, maxTimeout: timeout, tries: LIMITS.egressLookupTries })
  if (servers !== undefined) resolver.setServers(servers)
  return async (host) => {
    const asked = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)])
    return asked.flatMap((answer, index): Address[] =>
      answer.status === 'rejected' ? [] : answer.value.map((address) => ({ address, family: index === 0 ? 4 : 6 })),
    )
  }
}

/** As this machine sees it, its own hosts file included: where a policy may open addresses that are not public. */
export const systemNames: NameServer = (host) => lookup(host, { all: true, verbatim: true })
