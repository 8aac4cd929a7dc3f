/**
 * One request to one region, and the word of the tenant's keys on whether its answer may be given out.
 *
 *   no key of the caller's   sent
 *   can be undone            sent, and bound meanwhile: the answer waits for both, and is dropped when the sandbox is elsewhere
 *   cannot be undone         bound, then sent
 */
import { AppError } from '../../shared/errors.ts'
import type { Region } from '../../shared/regions.ts'
import { outcomeOf } from '../failover/outcome.ts'
import type { Unheard } from '../idempotency/ask-keys.ts'
import type { Elsewhere } from '../idempotency/bindings.ts'
import type { RequestKey } from '../idempotency/request-key.ts'
import type { Visit } from '../requests/visit.ts'
import { type Sent, sendOnce } from './send-once.ts'

/** `unheard`: the region has answered with a sandbox, but that may be about to be given up. */
export type Posted = { kind: 'sent'; sent: Sent } | { kind: 'unheard'; sent: Sent } | Astray
/** The sandbox of the key is elsewhere. */
export type Astray = { kind: 'astray'; key: RequestKey; to: Elsewhere }

type Posting = { visit: Visit; region: Region; attempt: number; deadline: AbortSignal }

const FIRST_ERROR_STATUS = 400

/** Throws idempotency_unavailable, body_too_large. */
export async function sendWithKey(key: RequestKey | null, posting: Posting): Promise<Posted> {
  if (key === null) return { kind: 'sent', sent: await send(posting) }
  return key.canBeUndone ? sendAndBind(key, posting) : bindAndSend(key, posting)
}

async function bindAndSend(key: RequestKey, posting: Posting): Promise<Posted> {
  const bound = await key.bind(posting.region.code)
  if (bound.kind === 'elsewhere') return { kind: 'astray', key, to: bound }
  if (bound.kind === 'unheard')
    throw new AppError('idempotency_unavailable', 'Idempotency-Keys cannot be looked up at the moment.', bound)
  return { kind: 'sent', sent: await send(posting) }
}

async function sendAndBind(key: RequestKey, posting: Posting): Promise<Posted> {
  const inVain = new AbortController()
  const sending = send({ ...posting, deadline: AbortSignal.any([posting.deadline, inVain.signal]) })
  // Waited for below; until then its failure is nobody's.
  sending.catch(() => undefined)
  const { region, visit } = posting
  const bound = await key.bind(region.code)
  if (bound.kind === 'elsewhere') {
    inVain.abort()
    visit.reading.inBackground(sending.then(drop, () => undefined))
    return { kind: 'astray', key, to: bound }
  }
  const sent = await sending
  const mayAnswer = bound.kind === 'yours' || (bound.kind === 'shared' && bound.isSettled)
  if (mayAnswer || outcomeOf(sent.attempt) !== 'final') return { kind: 'sent', sent }
  return bound.kind === 'unheard' ? unheard(sent, bound) : confirmAnswer(key, region, sent)
}

/** The region's answer, unless the sandbox is elsewhere by now; then it is dropped. */
export async function confirmAnswer(key: RequestKey, region: Region, sent: Sent): Promise<Posted> {
  const confirmed = await key.confirm(region.code, tellsOfSandbox(sent))
  if (confirmed.kind === 'yours') return { kind: 'sent', sent }
  if (confirmed.kind === 'unheard') return unheard(sent, confirmed)
  await drop(sent)
  return { kind: 'astray', key, to: confirmed }
}

/** What tells of no sandbox may be given out all the same. */
const unheard = (sent: Sent, { cause }: Unheard): Posted =>
  tellsOfSandbox(sent) ? { kind: 'unheard', sent: { ...sent, cause } } : { kind: 'sent', sent }

const tellsOfSandbox = ({ attempt }: Sent): boolean => attempt.kind === 'answer' && attempt.status < FIRST_ERROR_STATUS

const send = ({ visit, region, attempt, deadline }: Posting): Promise<Sent> =>
  sendOnce(visit, region, attempt, deadline)

/** A body that is left lying holds its connection. */
export const drop = async ({ response }: Sent): Promise<void> => response?.body?.cancel().catch(() => undefined)
