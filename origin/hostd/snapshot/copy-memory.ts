/**
 * A machine's own pages, in a file. A running machine's are copied twice: first while it runs, which finds the room and fills the
 * caches, and then, at several GB a second, while it stands still. Which pages changed in between only some kernels could say
 * (CONFIG_MEM_SOFT_DIRTY), and a page that was wrongly taken for unchanged would be somebody's data.
 */
import { open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Machine } from '../machine/machine.ts'
import { copyOut } from './copy-pages.ts'
import { findRam, scanOwnPages } from './guest-memory.ts'
import { SNAPSHOT_FILES } from './manifest.ts'
import { encodeRuns, PAGE_BYTES, type PlacedRun, pagesOf, placeRuns } from './page-runs.ts'

export type MemoryCopy = {
  /** What it would take now. */
  estimateBytes(): Promise<number>
  /** May be called while the machine runs, and be left out. */
  ahead(): Promise<void>
  /** While it stands still. */
  take(): Promise<void>
  /** When it goes on again: writes down where each page is. */
  settle(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

export async function openMemoryCopy({ pid, shape }: Machine, directory: string): Promise<MemoryCopy> {
  const ram = await findRam(pid, shape.memoryMib)
  const file = await open(join(directory, SNAPSHOT_FILES.memoryPages), 'wx', 0o600)
  let placed: PlacedRun[] = []
  const copy = async (): Promise<void> => {
    placed = placeRuns(await scanOwnPages(pid, ram), placed)
    await copyOut(pid, ram, placed, file.fd)
  }
  return {
    estimateBytes: async () => pagesOf(await scanOwnPages(pid, ram)) * PAGE_BYTES,
    ahead: copy,
    take: copy,
    settle: () => writeFile(join(directory, SNAPSHOT_FILES.memoryIndex), encodeRuns(placed), { mode: 0o600 }),
    [Symbol.asyncDispose]: () => file.close(),
  }
}
