/**
 * The Idempotency-Key of one request, on its way from region to region. It remembers whether the request holds the key, so that the key
 * is free for the next one when this one cannot answer.
 *
 * A create is bound while it is already on its way, because it can be undone: an object nearby costs it nothing. A command cannot be
 * undone, and neither can a body that nobody has kept be sent again: they are bound first.
 *
 * When the keys of a tenant cannot be asked, exactness comes before availability: an answer in hand may be of a sandbox that is about to be
 * given up for another one, so the caller hears that the outcome is unknown, and asks again with the key. Creates without a key go on.
 *
 * What stays open: an edge that dies between sending a create and sending the question about its key, which goes out first. Asking before
 * every create would close that, and cost all of them the way to the object.
 */
import { LIMITS } from '../../shared/limits.ts'
import { sha256Hex } from '../digest.ts'
import type { Visit } from '../requests/visit.ts'
import { askKeys, type Keys, type Unheard } from './ask-keys.ts'
import type { Bearer, Bound, Confirmed, Moved } from './bindings.ts'
import { claimText, doorOf } from './claim.ts'

export class RequestKey {
  readonly #visit: Visit
  readonly #over: AbortSignal
  readonly #claim: string
  readonly #body: string | null
  #standing: 'none' | 'held' | { unheardIn: string } = 'none'

  constructor(visit: Visit, over: AbortSignal, claim: string, body: string | null) {
    this.#visit = visit
    this.#over = over
    this.#claim = claim
    this.#body = body
  }

  /** Whether it may be sent before it is known where its sandbox is. */
  get canBeUndone(): boolean {
    return this.#body !== null
  }

  async bind(region: string): Promise<Bound | Unheard> {
    const bound = await this.#ask<Bound>(async (keys) => await keys.bindKey(this.#claim, this.#in(region)))
    if (bound.kind === 'yours') this.#standing = 'held'
    if (bound.kind === 'unheard') this.#standing = { unheardIn: region }
    return bound
  }

  confirm(region: string, isMade: boolean): Promise<Confirmed | Unheard> {
    return this.#ask<Confirmed>(async (keys) => await keys.confirmKey(this.#claim, this.#in(region), isMade))
  }

  async move(from: string, to: string): Promise<Moved | Unheard> {
    const moved = await this.#ask<Moved>(async (keys) => await keys.moveKey(this.#claim, this.#in(from), to))
    if (moved.kind === 'moved') this.#standing = 'held'
    return moved
  }

  /** For a request that ends without a sandbox to tell of. */
  async letGo(): Promise<void> {
    const standing = this.#standing
    this.#standing = 'none'
    if (standing === 'none' || !this.canBeUndone) return
    if (standing === 'held') await this.#giveFree()
    else this.#visit.reading.inBackground(this.#bindLate(standing.unheardIn))
  }

  /** The time of the request may be over; the next one with its key should not have to suffer for that. */
  async #giveFree(): Promise<void> {
    const over = AbortSignal.timeout(LIMITS.keyQuestionMs)
    const { requestId } = this.#visit
    await askKeys(this.#visit, over, async (keys) => await keys.giveKeyFree(this.#claim, requestId))
  }

  /**
   * A region may have made a sandbox that the keys do not know of. Once they do, it is found by who asks for it, or is given up if the key
   * has been bound to another region meanwhile.
   */
  async #bindLate(region: string): Promise<void> {
    const over = AbortSignal.timeout(LIMITS.keyLateMs)
    for (let pauseMs = LIMITS.keyQuestionPauseMs; !over.aborted; pauseMs *= 2) {
      const ask = async (keys: Keys): Promise<Bound> => await keys.bindKey(this.#claim, this.#in(region))
      const bound = await askKeys<Bound>(this.#visit, over, ask)
      if (bound.kind === 'yours') await this.#giveFree()
      if (bound.kind !== 'unheard') return
      await scheduler.wait(pauseMs)
    }
  }

  readonly #in = (region: string): Bearer => ({ request: this.#visit.requestId, region, body: this.#body })

  readonly #ask = <Word>(question: (keys: Keys) => Promise<Word>): Promise<Word | Unheard> =>
    askKeys(this.#visit, this.#over, question)
}

/** Null when no sandbox comes of the request, or its caller sent no key. Nothing is asked any more when its time is `over`. */
export async function keyOfRequest(visit: Visit, over: AbortSignal): Promise<RequestKey | null> {
  const door = doorOf(visit.call)
  if (door === null || visit.idempotencyKey === null) return null
  const canBeUndone = door !== 'run' && visit.body.kind !== 'stream'
  const claim = claimText(visit, door, visit.idempotencyKey)
  return new RequestKey(visit, over, claim, canBeUndone ? await bodyDigest(visit) : null)
}

/** `from` was sent a create under a key of the edge's own making; it goes on to `owner`. */
export type Attempt = { from: string; edgeKey: string; owner: string }

/** Writes down that a region owes what it may have made for a key of the edge's own making. False when that could not be done. */
export async function abandonAttempt(visit: Visit, over: AbortSignal, attempt: Attempt): Promise<boolean> {
  const door = doorOf(visit.call)
  if (door === null || door === 'run') return false
  const debt = { region: attempt.from, body: await bodyDigest(visit) }
  const claim = claimText(visit, door, attempt.edgeKey)
  const word = await askKeys(visit, over, async (keys) => {
    await keys.abandonAttempt(claim, debt, attempt.owner)
    return { kind: 'written' as const }
  })
  return word.kind === 'written'
}

const bodyDigest = ({ body }: Visit): Promise<string> =>
  sha256Hex(body.kind === 'kept' ? body.bytes : new Uint8Array(0))
