/** The database that the environment names, for a program that is no controller: the embedded one may be serving, or not. */
import { join } from 'node:path'
import type { DatabaseConfig } from '../config.ts'
import { EMBEDDED_DATABASE, startEmbedded } from '../database/embedded.ts'
import { findRunning, urlOf } from '../database/embedded-server.ts'

export type Reached = { url: string; release(): Promise<void> }

/** A server that serves already is left serving. */
export async function reachDatabase(config: DatabaseConfig): Promise<Reached> {
  if (config.kind === 'url') return { url: config.url, release: async () => {} }
  const running = await findRunning(join(config.dataDir, 'postgres'))
  if (running !== undefined) return { url: urlOf(running.socketDir, EMBEDDED_DATABASE), release: async () => {} }
  const { url, stop } = await startEmbedded(config, () => {})
  return { url, release: stop }
}
