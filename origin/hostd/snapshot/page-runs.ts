/** Pages of a machine's memory that follow each other, and where in a file they are kept. Decisions only. */
export type Run = { page: number; count: number }
/** `slot` is the place of the first page in the file, in pages. */
export type PlacedRun = Run & { slot: number }

export const PAGE_BYTES = 4_096

/**
 * Gives each of `runs` its place: a page that stands in the file already keeps its own, a new one comes behind all of them.
 * Both lists ascend by page, and so does the answer.
 */
export function placeRuns(runs: Run[], earlier: PlacedRun[]): PlacedRun[] {
  const placed: PlacedRun[] = []
  let free = slotsOf(earlier)
  let at = 0
  for (const run of runs) {
    const end = run.page + run.count
    let page = run.page
    while (page < end) {
      while (endOf(earlier[at]) <= page) at++
      const known = earlier[at]
      if (known !== undefined && known.page <= page) {
        const count = Math.min(end, endOf(known)) - page
        placed.push({ page, count, slot: known.slot + page - known.page })
        page += count
      } else {
        const count = Math.min(end, known?.page ?? end) - page
        placed.push({ page, count, slot: free })
        free += count
        page += count
      }
    }
  }
  return placed
}

/** How many slots a file has that holds these. */
const slotsOf = (runs: PlacedRun[]): number => runs.reduce((slots, { slot, count }) => Math.max(slots, slot + count), 0)

export const pagesOf = (runs: Run[]): number => runs.reduce((pages, { count }) => pages + count, 0)

/** Beyond the last run there is no end that could be passed. */
const endOf = (run: Run | undefined): number => (run === undefined ? Number.POSITIVE_INFINITY : run.page + run.count)

const WORDS_PER_RUN = 3

/** Three little-endian words a run: page, count, slot. */
export function encodeRuns(runs: PlacedRun[]): Uint8Array {
  const words = new DataView(new ArrayBuffer(runs.length * WORDS_PER_RUN * 4))
  for (const [index, { page, count, slot }] of runs.entries())
    for (const [word, value] of [page, count, slot].entries())
      words.setUint32((index * WORDS_PER_RUN + word) * 4, value, true)
  return new Uint8Array(words.buffer)
}

/** Throws RangeError unless every run lies within `memoryPages` and behind the one before. */
export function decodeRuns(bytes: Uint8Array, memoryPages: number): PlacedRun[] {
  const words = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const runs: PlacedRun[] = []
  let free = 0
  for (let at = 0; at + WORDS_PER_RUN * 4 <= bytes.byteLength; at += WORDS_PER_RUN * 4) {
    const run = {
      page: words.getUint32(at, true),
      count: words.getUint32(at + 4, true),
      slot: words.getUint32(at + 8, true),
    }
    if (run.page < free || run.page + run.count > memoryPages)
      throw new RangeError('A run of pages lies outside of the memory.')
    free = run.page + run.count
    runs.push(run)
  }
  return runs
}
