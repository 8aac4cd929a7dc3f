/** `.atoll/dev.json`: what other programs on this machine need to find and use the local stack. */
import { chownSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import type { Service } from './service.ts'

export type DevFile = {
  edge: string
  /** Each region's own URL, by code. */
  regions: Record<string, string>
  api_key: string
  /** Process ids by service: `edge`, `usw1.controller`, `usw1.hostd`, ... and `start`, which watches the others. */
  pids: Record<string, number>
}

/**
 * Replaces the file in one step, so that a reader never sees half of it. It holds a key, so only `owner` may read it: who
 * started the stack, when that was done through sudo.
 */
export function writeDevFile(
  path: string,
  fixed: Omit<DevFile, 'pids'>,
  services: readonly Service[],
  owner: number | null,
): void {
  const pids: Record<string, number> = { start: process.pid }
  for (const service of services) if (service.pid !== null) pids[service.name] = service.pid
  const temporary = `${path}.${process.pid}`
  writeFileSync(temporary, `${JSON.stringify({ ...fixed, pids }, null, 2)}\n`, { mode: 0o600 })
  if (owner !== null) chownSync(temporary, owner, -1)
  renameSync(temporary, path)
}

export const removeDevFile = (path: string): void => rmSync(path, { force: true })
