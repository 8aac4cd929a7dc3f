/** What stands on the shelf of templates, and what of it is still needed: by this daemon, as it knows, and by others, as the files tell. */
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { LIMITS } from '../../../shared/limits.ts'
import { chooseToGo, type Room, type Shelved } from './choose-to-go.ts'
import { type Manifest, readManifest, TEMPLATE_FILES } from './template.ts'

/** What the daemon that asks knows of a template. */
export type Judge = {
  isPresent(key: string, manifest: Manifest): boolean
  isNeeded(key: string, manifest: Manifest): Promise<boolean>
}

/** What has to go for one more template. One whose manifest cannot be read is good for nobody. */
export async function surveyRoom(directory: string, judge: Judge, nowMs: number): Promise<Room> {
  const shelved: Shelved[] = []
  let making = 0
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue
    const seen = isUnfinished(entry.name) ? null : await look(directory, entry.name, judge, nowMs)
    if (seen === null) making += 1
    else shelved.push(seen)
  }
  return chooseToGo(shelved, making, LIMITS.templatesPerHostMax)
}

/** Null for what is no template, or was taken away meanwhile. */
async function look(directory: string, key: string, judge: Judge, nowMs: number): Promise<Shelved | null> {
  const at = join(directory, key)
  const marked = await stat(join(at, TEMPLATE_FILES.manifest)).catch(() => null)
  if (marked === null) return null
  const manifest = await readManifest(at).catch(() => null)
  const usedAtMs = marked.mtimeMs
  if (manifest === null) return { key, usedAtMs, isPresent: false, isNeeded: false }
  const wasUsedLately = Math.abs(nowMs - usedAtMs) < LIMITS.templateRestMs
  return {
    key,
    usedAtMs,
    isPresent: judge.isPresent(key, manifest),
    isNeeded: wasUsedLately || (await judge.isNeeded(key, manifest)),
  }
}

/** The process that makes it, or takes it away, is in its name; null of what is finished. */
export const makerOf = (entry: string): string | null => /\.building-(\d+)$/.exec(entry)?.[1] ?? null
const isUnfinished = (entry: string): boolean => makerOf(entry) !== null
