/**
 * For how long a host has certainly been silent. Pure.
 *
 * That nobody heard of it is not enough: a region whose controllers were all down, or cut off, has heard of none. Time counts only while
 * another host of the same kind is heard (a local socket says nothing about the network), and only without a gap in the looks: who was
 * stopped for an hour has not looked for an hour. So the only host of its kind is never taken for lost; its owner has to say so, by
 * removing it.
 */
import { LIMITS } from '../../../shared/limits.ts'

export type Look = { host: string; kind: 'socket' | 'network'; silentMs: number }

/** What was counted before, by host, goes in, and comes out with this look added. Whoever is heard, or has no witness, starts anew. */
export function countSilence(
  before: ReadonlyMap<string, number>,
  looks: readonly Look[],
  { sinceLastLookMs, silentAfterMs }: { sinceLastLookMs: number; silentAfterMs: number },
): Map<string, number> {
  const isHeard = ({ silentMs }: Look): boolean => silentMs < silentAfterMs
  const witnessed = new Set(looks.filter(isHeard).map(({ kind }) => kind))
  const isGap = sinceLastLookMs > LIMITS.hostLookMsMax
  const after = (host: string): number => (isGap ? 0 : (before.get(host) ?? 0) + sinceLastLookMs)
  return new Map(
    looks.filter((look) => !isHeard(look) && witnessed.has(look.kind)).map(({ host }) => [host, after(host)]),
  )
}
