/**
 * Templates that nobody uses any more: those of older images, of another QEMU, of shapes that went out of use.
 *
 * Machines that run keep the files of a template open, so taking it away harms none of them; a daemon that wants it again
 * finds it missing and makes it anew.
 */
import { readdir, rename, rm, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { LIMITS } from '../../../shared/limits.ts'
import { TEMPLATE_FILES } from './template.ts'

/** The time of the last use is that of the manifest. A daemon that may not set it makes nothing worse than a template anew. */
export async function markUsed(template: string, nowMs: number): Promise<void> {
  await utimes(join(template, TEMPLATE_FILES.manifest), nowMs / 1_000, nowMs / 1_000).catch(() => {})
}

/** Removes what was not used for LIMITS.templateUnusedMs. Each goes out of sight at once, under the name of something unfinished. */
export async function removeUnused(directory: string, nowMs: number): Promise<void> {
  for (const entry of await readdir(directory)) {
    const manifest = await stat(join(directory, entry, TEMPLATE_FILES.manifest)).catch(() => null)
    if (manifest === null || nowMs - manifest.mtimeMs < LIMITS.templateUnusedMs) continue
    const away = join(directory, `${entry}.building-${process.pid}`)
    // Another daemon may have been quicker; then there is nothing left to remove.
    await rename(join(directory, entry), away).catch(() => {})
    await rm(away, { recursive: true, force: true })
  }
}
