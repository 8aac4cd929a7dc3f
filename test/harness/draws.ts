/** Chance that can be had again: the same numbers for the same seed, evenly from 0 up to 1. Mulberry32, by Tommy Ettinger. */
export function drawsFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** A seed that a run was given, or a new one. Whoever takes it prints it. */
export const seedOfRun = (): number => Number(process.env.ATOLL_TEST_SEED ?? Date.now() % 1_000_000)
