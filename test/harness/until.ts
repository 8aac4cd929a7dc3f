/** Waiting in tests: for what must come, and with a reason when it does not. */

/** Of a machine that is busy with other things. What passes does not wait for it, so it is no promise of speed. */
const PATIENCE_MS = 90_000

/** Waits until it is so. Fails with what it waited for. */
export async function until(
  what: string,
  isSo: () => Promise<boolean> | boolean,
  withinMs: number = PATIENCE_MS,
): Promise<void> {
  const end = Date.now() + withinMs
  while (!(await isSo())) {
    if (Date.now() > end) throw new Error(`Not within ${withinMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
}
