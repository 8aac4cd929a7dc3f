/** What an operator decides about hosts. */
import type { Placement } from '../placement/pick-host.ts'

export type HostRules = {
  placement: Placement
  /** Without word for this long, a host is lost, and its sandboxes are given up. */
  goneAfterMs: number
  /** Whether a customer's own machine may have an address that is not one of the public internet. */
  arePrivateAllowed: boolean
}
