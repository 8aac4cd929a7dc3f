/** The same work for many things, a bounded number of them at a time. Rejects when one fails, after all that had begun are done. */
export async function eachOf<Item>(
  items: readonly Item[],
  atOnceMax: number,
  work: (item: Item) => Promise<unknown>,
): Promise<void> {
  const left = items[Symbol.iterator]()
  const worker = async (): Promise<void> => {
    for (let next = left.next(); next.done !== true; next = left.next()) await work(next.value)
  }
  const done = await Promise.allSettled(Array.from({ length: atOnceMax }, worker))
  for (const one of done) if (one.status === 'rejected') throw one.reason
}
