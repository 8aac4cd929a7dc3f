/**
 * Images and root file systems that nobody uses any more. Daemons say every few minutes that they use theirs, and whoever looks for an image
 * that is there says so, too. What machines go on from has names of its own in the state of its daemon, so none of them is harmed.
 */
import { readdir, rename, rm, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { IMAGE_MANIFEST } from '../../origin/hostd/image.ts'
import { LIMITS } from '../../shared/limits.ts'

export const PART_PREFIX = '.building-'
export const ROOT_PREFIX = 'root-'

/** A root file system is used by whoever builds an image of it. */
export const markRootUsed = (root: string, nowMs: number): Promise<void> => utimes(root, nowMs / 1_000, nowMs / 1_000)

/** Removes what was not used for LIMITS.imageUnusedMs, but for `kept`, and says what. Call it with the builders' lock. */
export async function removeUnusedImages(cacheDir: string, kept: readonly string[], nowMs: number): Promise<string[]> {
  const gone: string[] = []
  for (const entry of await readdir(cacheDir)) {
    const usedAtMs = await lastUse(cacheDir, entry)
    if (usedAtMs === null || kept.includes(entry) || nowMs - usedAtMs < LIMITS.imageUnusedMs) continue
    // Under the name of something unfinished, so that a builder that is killed leaves no half of an image, and the next one removes it.
    const away = join(cacheDir, `${PART_PREFIX}${entry}`)
    await rename(join(cacheDir, entry), away)
    await rm(away, { recursive: true, force: true })
    gone.push(entry)
  }
  return gone
}

/** Null for what is neither an image nor a root file system. */
async function lastUse(cacheDir: string, entry: string): Promise<number | null> {
  const marked = entry.startsWith(ROOT_PREFIX) ? join(cacheDir, entry) : join(cacheDir, entry, IMAGE_MANIFEST)
  return (await stat(marked).catch(() => null))?.mtimeMs ?? null
}
