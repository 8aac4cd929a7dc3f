/** A connection of a sandbox's process on its way out, and what it is inside of when it is one within another one. */
import type { EgressPolicy } from '../../../shared/contracts/host-egress.ts'
import type { NameServer } from '../../../shared/public-address.ts'
import type { Authority } from './authority.ts'
import type { Target } from './judge.ts'
import type { NewEntry } from './log.ts'
import { addressesOf, type Found, type Reach } from './reach.ts'

/** Whose it is. */
export type Visitor = {
  policy(): EgressPolicy | null
  note(entry: NewEntry): void
  noteBytes(direction: 'up' | 'down', bytes: number): void
  /** Asked again whenever the policy changes; returns how to be forgotten. */
  onChange(look: () => void): () => void
}

export type Inside = Target & { scheme: 'http' | 'https' }
export type Visit = {
  visitor: Visitor
  /** The host that a connection was let in for, whose requests are judged one by one; null at the door, where each request names its own. */
  inside: Inside | null
}

/** What the way out is made with. */
export type Ways = {
  authority: Authority
  names: NameServer
  /** What a policy may open at most. */
  reach: Reach
  /** Authorities that are trusted upstream, instead of the system's. */
  trusted: string[] | undefined
}

export const findWay = (ways: Ways, policy: EgressPolicy, host: string): Promise<Found> =>
  addressesOf(host, policy.allow_private && ways.reach === 'private' ? 'private' : 'public', ways.names)
