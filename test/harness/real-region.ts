/** A region whose only host is a real daemon with real machines: the whole way from a controller to the agent, without an edge. */
import { embedded } from '../integration/controller/support/databases.ts'
import { startRegion, type TestRegion, textAt } from '../integration/controller/support/region.ts'
import { Daemon } from './host-daemon.ts'

export type RealRegion = { region: TestRegion; daemon: Daemon; stop(): Promise<void> }

/** The smallest machine there is, so that tests share the template of one size. */
export const SMALL_MACHINE = { cpu_count: 1, memory_mb: 512, disk_size_mb: 1_024 }

/** `settings` are the daemon's, `regionSettings` the controller's. */
export async function startRealRegion(
  settings: Record<string, string> = {},
  regionSettings: Record<string, string> = {},
): Promise<RealRegion> {
  const undo: (() => Promise<unknown>)[] = []
  const stop = async (): Promise<void> => {
    for (const step of undo.splice(0).reverse()) await step()
  }
  try {
    const daemon = await Daemon.start(settings)
    undo.push(() => daemon.stop())
    const server = await embedded.open()
    undo.push(() => server.remove())
    const env = { ...regionSettings, ATOLL_HOSTS: `real=unix:${daemon.directory}/hostd.sock` }
    const region = await startRegion(await server.createDatabase(), { env })
    undo.push(() => region.close())
    return { region, daemon, stop }
  } catch (thrown) {
    await stop()
    throw thrown
  }
}

/** Its id. */
export async function createSmall(region: TestRegion, body: object = {}): Promise<string> {
  const made = await region.ask('/v1/sandboxes', { method: 'POST', body: { ...SMALL_MACHINE, ...body } })
  if (made.status !== 201) throw new Error(`The sandbox was not made: ${made.status} ${made.text}`)
  return textAt(made.json, 'data', 'id')
}
