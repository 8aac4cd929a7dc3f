/**
 * What clients do when everything is whole again: each finds out what became of what it asked for. A create is sent again under its key
 * until there is a sandbox; what came of one that cannot be asked about is looked for in the list and ended; and so is most of the rest.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { at, textAt } from '../../integration/controller/support/region.ts'
import { ask, type Client, endSandbox } from './ask.ts'
import type { Told, Wish } from './book.ts'
import { sendWish } from './wishes.ts'

const SETTLED_WITHIN_MS = 60_000
const AGAIN_MS = 150

/** Throws when something cannot be settled. Sandboxes that `isKept` are left. */
export async function settle(client: Client, isKept: (told: Told) => boolean): Promise<void> {
  const { book } = client
  const ended = new Set<string>()
  const asked = new Set<Wish>()
  const mustEnd = (): Told[] =>
    [...book.sandboxes.values()].filter((told) => !ended.has(told.id) && (told.isEnding || !isKept(told)))
  const open = (): Wish[] => book.wishes.filter((wish) => isAskable(wish) && !(asked.has(wish) && isClosed(wish)))
  for (const end = Date.now() + SETTLED_WITHIN_MS; ; await sleep(AGAIN_MS)) {
    await endStrays(client)
    for (const told of mustEnd()) if (await endSandbox(client, told)) ended.add(told.id)
    for (const wish of open()) {
      const told = await sendWish(client, wish)
      asked.add(wish)
      // One after the other: the limit may be one.
      if (told !== undefined && !isKept(told) && (await endSandbox(client, told))) ended.add(told.id)
    }
    const left = [
      ...open().map(({ tag, key, lastCode }) => `${tag} under ${key} has no answer but ${lastCode}`),
      ...mustEnd().map(({ id }) => `${id} has not ended`),
    ]
    if (left.length === 0) return
    if (Date.now() > end) throw new Error(`Not settled within ${SETTLED_WITHIN_MS} ms: ${left.join('; ')}`)
  }
}

const isAskable = ({ key, id }: Wish): boolean => key !== null && id === null

/** Of a command it may be all that anybody will ever know that it may have run. */
const isClosed = ({ kind, lastCode }: Wish): boolean => kind === 'run' && lastCode === 'outcome_unknown'

/** What nobody was told of, and nobody can ask about. */
async function endStrays(client: Client): Promise<void> {
  const { wishes, faults } = client.book
  const heard = await ask(client, { kind: 'edge' }, { method: 'GET', path: '/v1/sandboxes' })
  const rows = at(heard?.json, 'data')
  if (!Array.isArray(rows)) return
  for (const row of rows) {
    const [id, tag] = [textAt(row, 'id'), textAt(row, 'tags', '0')]
    const wish = wishes.find((one) => one.tag === tag)
    if (wish === undefined) faults.push(`${id} has the tag ${tag}, which nobody sent`)
    else if (wish.id === null && (wish.key === null || isClosed(wish)))
      await endSandbox(client, { id, wish, isEnding: true })
  }
}
