/** The process of the local edge: starts it as told, reads the regions' room once, and stops on SIGTERM. */
import { type LocalEdgeOptions, startLocalEdge } from '../edge/local-edge.ts'

const edge = await startLocalEdge(JSON.parse(process.env.ATOLL_LOCAL_EDGE ?? '{}') as LocalEdgeOptions)
await edge.runCron()
console.log(`The edge answers at ${edge.url}`)

let stopped: Promise<void> | undefined
// More than one signal may come: a supervisor that dies with several threads is told of by the kernel several times.
process.on('SIGTERM', async () => {
  stopped ??= edge.stop()
  await stopped
  process.exit()
})
