/** What the requests of this process work on. Several may work on one sandbox; it is let go when the last of them has. */
export type InFlight = {
  add(id: string): void
  delete(id: string): void
  has(id: string): boolean
  readonly size: number
}

export function createInFlight(): InFlight {
  const counts = new Map<string, number>()
  return {
    add: (id) => void counts.set(id, (counts.get(id) ?? 0) + 1),
    delete(id) {
      const left = (counts.get(id) ?? 0) - 1
      if (left > 0) counts.set(id, left)
      else counts.delete(id)
    },
    has: (id) => counts.has(id),
    get size() {
      return counts.size
    },
  }
}
