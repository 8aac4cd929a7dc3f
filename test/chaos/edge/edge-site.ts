/** The edge of the world: the real Worker on workerd, to be dropped and started again with what it had stored. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type LocalEdge, startLocalEdge } from '../../../infra/edge/local-edge.ts'
import type { Tiers } from '../../../shared/accounts.ts'
import type { RegionRegistry } from '../../../shared/regions.ts'
import { INTERNAL, PEPPER } from '../../integration/controller/support/region.ts'
import { SECRETS } from '../../integration/edge/stage/edge-stage.ts'

export type EdgeSite = {
  /** Undefined while it is away. */
  url(): string | undefined
  drop(): Promise<void>
  /** It listens at another port than before; nobody but the ways to it needs to know. */
  start(): Promise<void>
  /** One of the tenant's Durable Objects loses its memory, and goes on from what it stored. */
  evict(what: 'quota' | 'keys', tenant: string): Promise<void>
  /** Holds over restarts. */
  setKv(changes: Partial<Kv>): Promise<void>
  close(): Promise<void>
}
type Kv = { lagMs: number; isFailing: boolean }

const ENTRY = fileURLToPath(new URL('./edge-worker.ts', import.meta.url))
const CRON_MS = 1_000

export async function startEdgeSite(told: { registry: RegionRegistry; tiers: Tiers }): Promise<EdgeSite> {
  const persistDir = await mkdtemp(join(tmpdir(), 'atoll-world-edge-'))
  const kv: Kv = { lagMs: 0, isFailing: false }
  let edge: LocalEdge | undefined
  let url: string | undefined

  const command = async (path: string, at = url): Promise<void> => {
    if (at === undefined) return
    const { status } = await fetch(new URL(path, at), { method: 'PUT' })
    if (status !== 204) throw new Error(`The stage of the edge answered ${status}.`)
  }
  const arrange = (at?: string): Promise<void> => {
    const words = new URLSearchParams({ lagMs: String(kv.lagMs), isFailing: String(kv.isFailing) })
    return command(`/__stage?${words}`, at)
  }
  const launch = async (more: Partial<typeof told>): Promise<void> => {
    edge = await startLocalEdge({
      host: '127.0.0.1',
      port: 0,
      persistDir,
      entry: ENTRY,
      cronMs: CRON_MS,
      secrets: { ...SECRETS, KEY_PEPPER: PEPPER, INTERNAL_TOKEN: INTERNAL },
      ...more,
    })
    await arrange(edge.url.origin)
    url = edge.url.origin
  }
  await launch(told)

  return {
    url: () => url,
    async drop() {
      const leaving = edge
      edge = undefined
      url = undefined
      await leaving?.stop()
    },
    start: () => launch({}),
    evict: (what, tenant) => command(`/__evict?${new URLSearchParams({ what, tenant })}`),
    async setKv(changes) {
      Object.assign(kv, changes)
      await arrange()
    },
    async close() {
      await edge?.stop()
      await rm(persistDir, { recursive: true, force: true })
    },
  }
}
