/** What a sandbox brings of its own to where it may go: what it was asked to be made with, and what it had from the sandbox it was made of. */
import type { EgressPolicy, EgressRule } from './contracts/host-egress.ts'

export type WishedRule = Omit<EgressRule, 'id'>
export type EgressWish = {
  /** Whether what counts for all of the tenant's sandboxes counts for this one, too. */
  inherits: boolean
  mode?: EgressPolicy['mode']
  default_effect?: EgressPolicy['default_effect']
  rules: WishedRule[]
  /** The ids of secrets that it has whatever they are for. */
  secrets: string[]
}
