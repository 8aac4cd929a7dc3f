/**
 * Templates that nobody uses any more: those of older images, of another QEMU, of shapes that went out of use; and those that make room for
 * another one.
 *
 * Machines that run keep the files of a template under names of their own, so taking it away harms none of them; a daemon that wants it again
 * finds it missing and makes it anew.
 */
import { existsSync } from 'node:fs'
import { readdir, rename, rm, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { LIMITS } from '../../../shared/limits.ts'
import { tryLockFile } from '../file-lock.ts'
import { type Judge, makerOf, surveyRoom } from './survey.ts'
import { TEMPLATE_FILES } from './template.ts'

/** The time of the last use is that of the manifest. A daemon that may not set it makes nothing worse than a template anew. */
export async function markUsed(template: string, nowMs: number): Promise<void> {
  await utimes(join(template, TEMPLATE_FILES.manifest), nowMs / 1_000, nowMs / 1_000).catch(() => {})
}

/** Removes what was not used for LIMITS.templateUnusedMs. */
export async function removeUnused(directory: string, nowMs: number): Promise<void> {
  for (const entry of await readdir(directory)) {
    const manifest = await stat(join(directory, entry, TEMPLATE_FILES.manifest)).catch(() => null)
    if (manifest === null || makerOf(entry) !== null || nowMs - manifest.mtimeMs < LIMITS.templateUnusedMs) continue
    await takeAway(directory, entry)
  }
}

/** Removes those that have to go for one more, and says which. Call it while no other daemon does the same. */
export async function makeRoom(directory: string, judge: Judge, nowMs: number): Promise<string[]> {
  const { go } = await surveyRoom(directory, judge, nowMs)
  for (const key of go) await takeAway(directory, key)
  return go
}

/** What daemons that are gone were making, or taking away. */
export async function removeUnfinished(directory: string): Promise<void> {
  const dead = (await readdir(directory)).filter((entry) => {
    const pid = makerOf(entry)
    return pid !== null && !existsSync(`/proc/${pid}`)
  })
  await Promise.all(dead.map((entry) => rm(join(directory, entry), { recursive: true, force: true })))
}

/** Out of sight at once, under the name of something unfinished, so that one that is killed in the middle leaves no half of a template. */
async function takeAway(directory: string, key: string): Promise<void> {
  const away = join(directory, `${key}.building-${process.pid}`)
  // Another daemon may have been quicker; then there is nothing left to remove.
  await rename(join(directory, key), away).catch(() => {})
  await rm(away, { recursive: true, force: true })
  await removeLock(directory, key)
}

/** The file that whoever makes this template locks. */
export const lockOf = (directory: string, key: string): string => join(directory, `${key}.lock`)

/** Callers choose their machines freely, so what is left of each would grow for ever. One that somebody has locked stays. */
async function removeLock(directory: string, key: string): Promise<void> {
  const path = lockOf(directory, key)
  await using lock = await tryLockFile(path, 0)
  if (lock !== null) await rm(path, { force: true })
}
