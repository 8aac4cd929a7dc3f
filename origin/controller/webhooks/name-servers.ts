/**
 * Asking what a host name stands for. A name that a stranger gives is never asked of the system: its resolver holds a thread until it
 * has an answer, there are four, and signatures are verified on the same ones. Somebody whose name servers never answer would stand
 * in everybody's way. So such names are asked of the name servers directly, which holds nothing, and not for long.
 */
import { lookup, Resolver } from 'node:dns/promises'
import { LIMITS } from '../../../shared/limits.ts'
import type { Address, NameServer } from '../../../shared/public-address.ts'

/** As this machine sees it, its own hosts file included. */
export const systemNames: NameServer = (host) => lookup(host, { all: true, verbatim: true })

/** As the internet sees it. `servers` are `address:port`; without any, those of this machine. Throws when nothing is known of the name. */
export function publicNames(servers?: readonly string[]): NameServer {
  const timeout = LIMITS.nameLookupMs
  const resolver = new Resolver({ timeout, maxTimeout: timeout, tries: LIMITS.nameLookupTries })
  if (servers !== undefined) resolver.setServers(servers)
  return async (host) => {
    const asked = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)])
    const found = asked.flatMap((answer, index): Address[] =>
      answer.status === 'rejected' ? [] : answer.value.map((address) => ({ address, family: index === 0 ? 4 : 6 })),
    )
    const [first] = asked
    if (found.length === 0 && first.status === 'rejected') throw first.reason
    return found
  }
}
