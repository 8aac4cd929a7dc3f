/** Where the local stack keeps what, and nothing else decides it. */
import { createHash } from 'node:crypto'
import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'

export const REPOSITORY = fileURLToPath(new URL('../../', import.meta.url)).replace(/\/$/, '')

export type Layout = ReturnType<typeof layoutOf>

/** `runDir` holds unix sockets, whose paths may have 107 bytes, so it lies outside a clone that may be deep. */
export function layoutOf(stateDir: string, cacheDir: string, runDir: string) {
  return {
    stateDir,
    devFile: `${stateDir}/dev.json`,
    lockFile: `${stateDir}/start.pid`,
    secretsFile: `${stateDir}/secrets.json`,
    logDir: `${stateDir}/logs`,
    edgeDir: `${stateDir}/edge`,
    imageCacheDir: `${cacheDir}/images`,
    templateCacheDir: `${cacheDir}/templates`,
    runDir,
    region: (code: string) => ({
      databaseDir: `${stateDir}/regions/${code}/postgres`,
      hostDir: `${stateDir}/regions/${code}/host`,
      seedFile: `${stateDir}/regions/${code}/seed.json`,
      runDir: `${runDir}/${code}`,
      hostSocket: `${runDir}/${code}/hostd.sock`,
    }),
  }
}

/** A short name for a state folder, so that two stacks on one machine keep apart. */
export const shortHash = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 8)

/** A path as a person finds it: from the clone's folder, because the stack itself may see the clone mounted elsewhere. */
export function shownPath(path: string): string {
  const inside = relative(REPOSITORY, path)
  return inside.startsWith('..') ? path : inside
}
