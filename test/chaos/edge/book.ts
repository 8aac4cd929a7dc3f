/**
 * What the clients of one tenant were told in a history, and what of it contradicts what they were told before.
 *
 *   wish      one create that somebody wants: one body, one tag in it, and usually one Idempotency-Key, however often it is sent
 *   sandbox   one that somebody was told of, until its end is asked for
 */
export type Road = { kind: 'edge' } | { kind: 'direct'; region: string }

export type Wish = {
  tag: string
  kind: 'create' | 'run'
  road: Road
  key: string | null
  /** The region that its client names to the edge, until that one is not to be had. */
  pin: string | null
  /** Told to somebody; there may be one at most. */
  id: string | null
  /** Some try of it ended without a clear word. */
  mayExist: boolean
  /** Of the last answer; empty when there was none, or one that is no error. */
  lastCode: string
  /** After everything was mended. */
  wasAskedAtLast: boolean
}

export type Told = {
  id: string
  wish: Wish
  isEnding: boolean
  /** For certain. */
  hasEnded: boolean
}

export type Book = {
  wishes: Wish[]
  sandboxes: Map<string, Told>
  /** A sentence for each contradiction. */
  faults: string[]
  /** How often each answer came. */
  answers: Map<string, number>
  note(answer: string): void
  /** A create was answered with a sandbox. */
  tell(wish: Wish, id: string): Told
}

export function openBook(): Book {
  const book: Book = {
    wishes: [],
    sandboxes: new Map(),
    faults: [],
    answers: new Map(),
    note: (answer) => void book.answers.set(answer, (book.answers.get(answer) ?? 0) + 1),
    tell(wish, id) {
      if (wish.id !== null && wish.id !== id)
        book.faults.push(`${wish.key} was answered with ${wish.id}, and later with ${id}`)
      wish.id ??= id
      const told = book.sandboxes.get(id) ?? { id, wish, isEnding: false, hasEnded: false }
      if (told.wish !== wish) book.faults.push(`${id} was given to ${told.wish.tag}, and also to ${wish.tag}`)
      book.sandboxes.set(id, told)
      return told
    },
  }
  return book
}
