/**
 * Which templates make room for a new one. Decisions only.
 *
 *   needed          stays: something goes on from it, or somebody asked for it a moment ago
 *   of another      goes first: of another image, QEMU or revision than the present ones, so nobody here will ask for it again;
 *   surrounding       the one that was used longest ago before the others
 *   of the present  goes next, in the same order; it is made again when its size is wanted again
 */
export type Shelved = { key: string; usedAtMs: number; isPresent: boolean; isNeeded: boolean }

/** `hasRoom` is whether there is room for one more when those in `go` have gone. */
export type Room = { go: string[]; hasRoom: boolean }

/** `making` is how many are being made, which take a place each. */
export function chooseToGo(shelved: readonly Shelved[], making: number, countMax: number): Room {
  const tooMany = Math.max(0, shelved.length + making + 1 - countMax)
  const go = shelved
    .filter(({ isNeeded }) => !isNeeded)
    .toSorted((a, b) => Number(a.isPresent) - Number(b.isPresent) || a.usedAtMs - b.usedAtMs)
    .slice(0, tooMany)
    .map(({ key }) => key)
  return { go, hasRoom: go.length === tooMany }
}
