/**
 * What follows an attempt.
 *
 *                        not executed            ambiguous
 *   create               the next region         the next region, unless the caller chose this one: then 504
 *   create-run           the next region         504: the command may have run
 *   read, find           the same region once    the same region once
 *   list, sum            the same region once    the same region once
 *   change, home         503                     504
 *
 * A create that may have been made is made elsewhere only after it is written down that the first region has to give it up.
 * What the home region is only asked to read may be asked again like any read; the table is for what changes something there.
 * Anything final is the answer. A request is sent twice at most, and only if it can be sent again byte for byte.
 */
import type { CallClass } from '../requests/classify-request.ts'
import type { Outcome } from './outcome.ts'

export type Step = 'answer' | 'same-region' | 'next-region' | 'unavailable' | 'unknown'

type Row = Record<Exclude<Outcome, 'final'>, Step | 'rehome'>

const TABLE: Record<CallClass, Row> = {
  create: { 'not-executed': 'next-region', ambiguous: 'rehome' },
  'create-run': { 'not-executed': 'next-region', ambiguous: 'unknown' },
  read: { 'not-executed': 'same-region', ambiguous: 'same-region' },
  find: { 'not-executed': 'same-region', ambiguous: 'same-region' },
  list: { 'not-executed': 'same-region', ambiguous: 'same-region' },
  sum: { 'not-executed': 'same-region', ambiguous: 'same-region' },
  home: { 'not-executed': 'unavailable', ambiguous: 'unknown' },
  change: { 'not-executed': 'unavailable', ambiguous: 'unknown' },
}

export type Situation = {
  class: CallClass
  outcome: Outcome
  /** Body kept, attempts and time left, and the retry budget allows one more. */
  maySendAgain: boolean
  hasNextRegion: boolean
  /** The caller, or its key, chose the regions. */
  isPinned: boolean
  /** GET and HEAD: asking twice does nothing twice. */
  isRead: boolean
}

export function nextStep(situation: Situation): Step {
  const { class: callClass, outcome, maySendAgain, hasNextRegion, isPinned, isRead } = situation
  if (outcome === 'final') return 'answer'
  const step = TABLE[callClass === 'home' && isRead ? 'read' : callClass][outcome]
  if (step === 'rehome') return maySendAgain && hasNextRegion && !isPinned ? 'next-region' : 'unknown'
  if (step === 'next-region') return maySendAgain && hasNextRegion ? step : 'unavailable'
  if (step === 'same-region') return maySendAgain ? step : 'unavailable'
  return step
}
