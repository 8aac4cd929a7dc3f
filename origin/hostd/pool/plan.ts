/**
 * How many primed machines of each kind to keep, and what to do next about it. Decisions only; nothing is started here.
 *
 *   a floor      is always kept
 *   above it     as many as were asked for at once, lately, within a budget of memory; where that is short, the next machine
 *                goes to the kind that has the fewest for what it is asked for
 *   too many     are ended when another kind needs the room, or when not half as many were asked for in a long time
 */
export type Wanted = {
  key: string
  floor: number
  /** How many were asked for at once, lately. */
  peak: number
  /** Of one machine. */
  costMib: number
}

export type Shelf = Wanted & {
  /** How many there are, those being made included. */
  count: number
  /** How many of them may be taken, or ended. */
  ready: number
  /** Making one failed a moment ago. */
  isHeld: boolean
}

/** How many to keep, by key. Never below a floor; what is above the floors fits into what they leave of the budget. */
export function planPool(kinds: Wanted[], budgetMib: number): Map<string, number> {
  const targets = new Map(kinds.map(({ key, floor }) => [key, floor]))
  const given = ({ key }: Wanted): number => targets.get(key) ?? 0
  let leftMib = budgetMib - floorsMib(kinds)
  for (;;) {
    const needy = kinds.filter((kind) => Math.round(kind.peak) > given(kind) && kind.costMib <= leftMib)
    const neediest = mostBy(needy, (kind) => kind.peak / (given(kind) + 1))
    if (neediest === undefined) return targets
    targets.set(neediest.key, given(neediest) + 1)
    leftMib -= neediest.costMib
  }
}

export type Step = { kind: 'make' | 'end'; key: string }

/** The next step towards the plan, or null when there is none. Repeated with nothing else changing, the steps come to an end. */
export function nextStep(shelves: Shelf[], budgetMib: number, isMemoryShort: boolean): Step | null {
  const endable = shelves.filter(({ ready }) => ready > 0)
  // Nothing new starts on a host whose memory is short, not even a machine that is primed; so these are worth more as memory.
  if (isMemoryShort)
    return step(
      'end',
      mostBy(endable, ({ count, floor }) => count - floor),
    )
  const targets = planPool(shelves, budgetMib)
  const over = ({ key, count }: Shelf): number => count - (targets.get(key) ?? 0)
  const lacking = shelves.filter((shelf) => over(shelf) < 0 && !shelf.isHeld)
  const emptiest = mostBy(lacking, (shelf) => -shelf.count / (targets.get(shelf.key) ?? 1))
  if (emptiest !== undefined) {
    const usedMib = shelves.reduce((sum, { count, costMib }) => sum + count * costMib, 0)
    const overfull = endable.filter((shelf) => over(shelf) > 0)
    const fits = usedMib + emptiest.costMib <= Math.max(budgetMib, floorsMib(shelves))
    return fits || overfull.length === 0 ? step('make', emptiest) : step('end', mostBy(overfull, over))
  }
  const stale = endable.filter(({ count, floor, peak }) => count > Math.max(floor, Math.round(2 * peak)))
  return step('end', mostBy(stale, over))
}

const floorsMib = (kinds: Wanted[]): number => kinds.reduce((sum, { floor, costMib }) => sum + floor * costMib, 0)

const step = (kind: Step['kind'], shelf: Shelf | undefined): Step | null =>
  shelf === undefined ? null : { kind, key: shelf.key }

/** The first of those with the highest score. */
function mostBy<T>(all: T[], score: (one: T) => number): T | undefined {
  return all.reduce<T | undefined>(
    (best, one) => (best === undefined || score(one) > score(best) ? one : best),
    undefined,
  )
}
