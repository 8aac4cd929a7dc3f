/** The database that the environment names, for a program that is no controller: the embedded one may be serving, or not. */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { DatabaseConfig } from '../config.ts'
import { EMBEDDED_DATABASE, startEmbedded } from '../database/embedded.ts'
import { findRunning, urlOf } from '../database/embedded-server.ts'

export type Reached = { url: string; release(): Promise<void> }

/** A server that serves already is left serving. Throws, and makes nothing, where there is no database and none is `wanted` to be made. */
export async function reachDatabase(config: DatabaseConfig, wanted: 'existing' | 'new'): Promise<Reached> {
  if (config.kind === 'url') return { url: config.url, release: async () => {} }
  const running = await findRunning(join(config.dataDir, 'postgres'))
  if (running !== undefined) return { url: urlOf(running.socketDir, EMBEDDED_DATABASE), release: async () => {} }
  if (wanted === 'existing') await requireDatabase(config.dataDir)
  const { url, stop } = await startEmbedded(config, () => {})
  return { url, release: stop }
}

async function requireDatabase(dataDir: string): Promise<void> {
  const isThere = await stat(join(dataDir, 'postgres', 'PG_VERSION')).then(
    () => true,
    () => false,
  )
  if (!isThere)
    throw new Error(`There is no database in ${dataDir}. ATOLL_DATA_DIR must be what the region's controllers have.`)
}
