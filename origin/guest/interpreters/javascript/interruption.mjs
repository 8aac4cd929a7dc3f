/** SIGINT breaks off a call, also one that only waits; between two calls it is nothing at all. */

/** `happened` rejects; `end` is called when the call is over. */
export function interruption() {
  let interrupt
  const happened = new Promise((_, reject) => {
    interrupt = () => reject(Object.assign(new Error('interrupted'), { code: CODE }))
  })
  happened.catch(() => {})
  process.on('SIGINT', interrupt)
  return { happened, end: () => process.off('SIGINT', interrupt) }
}

export const isInterrupted = (thrown) => thrown?.code === CODE

/** What V8 throws when a script is broken off. */
const CODE = 'ERR_SCRIPT_EXECUTION_INTERRUPTED'

// Without a listener the signal would end the process.
process.on('SIGINT', () => {})
