/** Waiting in tests: for what must come, and with a reason when it does not. */

/** Waits until it is so. Fails with what it waited for. */
export async function until(what: string, isSo: () => Promise<boolean> | boolean, withinMs = 15_000): Promise<void> {
  const end = Date.now() + withinMs
  while (!(await isSo())) {
    if (Date.now() > end) throw new Error(`Not within ${withinMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
}
