/**
 * A webhook is a request that a stranger makes us send, so it may reach only the public internet: never this machine, its networks, this
 * service by a public address of it, or the services of a cloud that trust whoever is inside. Pure, but for the questions that `names`
 * and `own` ask.
 */
import {
  type Address,
  familyOf,
  isSameAddress,
  type NameServer,
  privateRangeOf,
} from '../../../shared/public-address.ts'

/** Which addresses a delivery may go to. `anywhere`, and plain http, are for local stacks. */
export type Reach = 'public' | 'anywhere'
/** Where this service is. */
export type OwnPlaces = {
  isOwnName(host: string): boolean
  /** Of this machine, and of every region that has an address which is known. */
  addresses(): Promise<string[]>
}
export type Bounds = { reach: Reach; names: NameServer; own: OwnPlaces }

/** Why a delivery to this URL is refused whatever its name stands for, or null. */
export function refusalOfUrl(text: string, reach: Reach): string | null {
  if (!URL.canParse(text)) return 'is not a URL'
  const url = new URL(text)
  if (url.protocol !== 'https:' && !(reach === 'anywhere' && url.protocol === 'http:')) return 'must be an https URL'
  if (url.username !== '' || url.password !== '') return 'must not contain credentials'
  if (url.hash !== '') return 'must not have a fragment'
  const host = bareHost(url)
  const range = reach === 'public' && familyOf(host) !== 0 ? privateRangeOf(host) : null
  return range === null ? null : `must be on the public internet, and ${host} is not (${range})`
}

/** The addresses of the host, or why a delivery may not go there. One bad address is enough: who answers is not ours to choose. */
export async function resolvePublic(
  host: string,
  { reach, names, own }: Bounds,
): Promise<{ kind: 'found'; addresses: Address[] } | { kind: 'refused'; why: string }> {
  const addresses =
    familyOf(host) === 0 ? await names(host).catch(() => []) : [{ address: host, family: familyOf(host) }]
  if (addresses.length === 0) return { kind: 'refused', why: 'has a host name that nothing is known of' }
  if (reach === 'anywhere') return { kind: 'found', addresses }
  if (own.isOwnName(host)) return LEADS_BACK
  const ownAddresses = await own.addresses()
  for (const { address } of addresses) {
    const range = privateRangeOf(address)
    if (range !== null)
      return { kind: 'refused', why: `must be on the public internet, and its host leads to a ${range} address` }
    if (ownAddresses.some((one) => isSameAddress(one, address))) return LEADS_BACK
  }
  return { kind: 'found', addresses }
}

const LEADS_BACK = { kind: 'refused', why: 'must not lead back to this service' } as const

/** Without the brackets of IPv6. */
export const bareHost = (url: URL): string => url.hostname.replace(/^\[|\]$/g, '')
