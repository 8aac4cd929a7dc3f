/** How much memory the objects of this process take when those that nobody needs are gone. What is in buffers is freed later, and not in it. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

export function usedBytes(): number {
  setFlagsFromString('--expose-gc')
  const collect: () => void = runInNewContext('gc')
  collect()
  return process.memoryUsage().heapUsed
}
