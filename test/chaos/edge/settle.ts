/**
 * What clients do when everything is whole again: each finds out what became of what it asked for. A create is sent again under its key
 * until there is a sandbox; what came of one that cannot be asked about is looked for in the list and ended; and so is most of the rest.
 */
import { at, textAt } from '../../integration/controller/support/region.ts'
import { ask, type Client, endSandbox } from './ask.ts'
import type { Told, Wish } from './book.ts'
import { sendWish } from './wishes.ts'

/** One look at everything; to be repeated until nothing is open. Sandboxes that `isKept` are left. A sentence for each thing that is open. */
export async function settle(client: Client, isKept: (told: Told) => boolean): Promise<string[]> {
  const { book } = client
  const mustEnd = (): Told[] =>
    [...book.sandboxes.values()].filter((told) => !told.hasEnded && (told.isEnding || !isKept(told)))
  const open = book.wishes.filter((wish) => isAskable(wish) && !isClosed(wish))
  await endStrays(client)
  for (const told of mustEnd()) await endSandbox(client, told)
  for (const wish of open) {
    const told = await sendWish(client, wish)
    wish.wasAskedAtLast = true
    // One after the other: the limit may be one.
    if (told !== undefined && !isKept(told)) await endSandbox(client, told)
  }
  return [
    ...open
      .filter((wish) => isAskable(wish) && !isClosed(wish))
      .map((wish) => `a key has no sandbox: ${JSON.stringify(wish)}`),
    ...mustEnd().map(({ id }) => `${id} has not ended`),
  ]
}

/** What was always refused in clear words has come to nothing. */
const isAskable = ({ key, id, mayExist }: Wish): boolean => key !== null && id === null && mayExist

/** Of a command it may be all that anybody will ever know that it may have run. */
const isClosed = ({ kind, lastCode, wasAskedAtLast }: Wish): boolean =>
  kind === 'run' && wasAskedAtLast && lastCode === 'outcome_unknown'

/** What was refused in clear words and is there all the same goes by itself, or is a fault. */
const isLost = (wish: Wish): boolean => wish.id === null && wish.mayExist && (wish.key === null || isClosed(wish))

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
    else if (isLost(wish)) await endSandbox(client, { id, wish, isEnding: true, hasEnded: false })
  }
}
