/**
 * Which addresses are of the public internet. A stranger who makes a process of ours send something may reach only those: never that
 * machine, its networks, or the services of a cloud that trust whoever is inside.
 */
import ipaddr from 'ipaddr.js'

export type Address = { address: string; family: number }
/** Fails, or finds nothing, when nothing is known of the name. */
export type NameServer = (host: string) => Promise<Address[]>

/** All of the internet's own unicast lies in here; whatever a library does not know of beyond it is refused. */
const GLOBAL_UNICAST = ipaddr.IPv6.parseCIDR('2000::/3')

/** What kind of address it is when it is not one of the public internet: `loopback`, `private`, `carrierGradeNat`, ... */
export function privateRangeOf(address: string): string | null {
  if (!ipaddr.isValid(address)) return 'no address'
  const parsed = ipaddr.parse(address)
  // An IPv4 address in the clothes of IPv6 is judged by what it is.
  if (parsed.kind() === 'ipv6' && (parsed as ipaddr.IPv6).isIPv4MappedAddress())
    return privateRangeOf((parsed as ipaddr.IPv6).toIPv4Address().toString())
  const range = parsed.range()
  if (range !== 'unicast') return range
  return parsed.kind() === 'ipv6' && !parsed.match(GLOBAL_UNICAST) ? 'reserved' : null
}

/** Whether two addresses are one, in whatever clothes. False of what is none. */
export const isSameAddress = (one: string, other: string): boolean =>
  ipaddr.isValid(one) &&
  ipaddr.isValid(other) &&
  ipaddr.process(one).toNormalizedString() === ipaddr.process(other).toNormalizedString()

/** The family of text that is an address in its usual form, 0 of everything else: `127.1` and `0x7f000001` are names to whoever asks for them. */
export function familyOf(host: string): 0 | 4 | 6 {
  if (ipaddr.IPv4.isValidFourPartDecimal(host)) return 4
  return ipaddr.IPv6.isValid(host) ? 6 : 0
}
