/** How much memory this process holds, when everything that nobody needs is gone. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

export function usedBytes(): number {
  setFlagsFromString('--expose-gc')
  const collect: () => void = runInNewContext('gc')
  collect()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
