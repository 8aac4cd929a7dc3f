/** How a host is reached: a socket on this machine, or TLS to another one that is known by its certificate and asks for a secret. */
import { AppError } from '../../../shared/errors.ts'
import { familyOf, privateRangeOf } from '../../../shared/public-address.ts'
import { bareHost } from '../webhooks/public-address.ts'

export type HostAddress =
  | { kind: 'socket'; name: string; socketPath: string }
  | {
      kind: 'network'
      name: string
      url: string
      /** Lowercase hex SHA-256 of its certificate. */
      fingerprint: string
      secret: string
      /** A customer says where their machine is, and must not make this process connect to what only it can reach. */
      isPublicOnly: boolean
    }

/** Whether the address is one of the public internet. Text that is no address is not. */
export const isPublicAddress = (address: string): boolean => familyOf(address) !== 0 && privateRangeOf(address) === null

/** Throws host_url_refused for an address that is certainly not public. A name is looked up again whenever it is connected to. */
export function requirePublicUrl(url: string): void {
  const host = bareHost(new URL(url))
  if (familyOf(host) === 0 ? host !== 'localhost' && !host.endsWith('.localhost') : isPublicAddress(host)) return
  throw new AppError('host_url_refused', 'The address of this machine is not one of the public internet.')
}
