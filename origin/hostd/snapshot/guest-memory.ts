/**
 * A machine's memory as the kernel shows it to whoever may trace its process: where it is, and which of its pages are the
 * machine's own. The others are those of its template, or were never touched.
 */
import { closeSync, openSync, readSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { AppError } from '../../../shared/errors.ts'
import { breather } from './breathe.ts'
import { PAGE_BYTES, type Run } from './page-runs.ts'

const MIB = 1024 * 1024
const ENTRY_BYTES = 8
const SCAN_BYTES = 512 * 1024

/** Where in its process the memory of a machine begins, and how large it is. */
export type Ram = { address: number; pages: number }

/** Throws AppError('internal') when the process shows none or several mappings that could be it. */
export async function findRam(pid: number, memoryMib: number): Promise<Ram> {
  const maps = await readFile(`/proc/${pid}/maps`, 'utf8').catch(() => '')
  const found = ramIn(maps, memoryMib * MIB)
  if (found === null)
    throw new AppError('internal', 'The memory of this machine was not found.', { detail: `/proc/${pid}/maps` })
  return found
}

/** Exported for tests. The emulator's translated code may be as large, but it can be executed. */
export function ramIn(maps: string, bytes: number): Ram | null {
  const addresses = maps.split('\n').flatMap((line) => {
    const match = /^([0-9a-f]+)-([0-9a-f]+) rw-p /.exec(line)
    const [start, end] = [Number.parseInt(match?.[1] ?? '', 16), Number.parseInt(match?.[2] ?? '', 16)]
    return end - start === bytes ? [start] : []
  })
  const [address] = addresses
  return address === undefined || addresses.length > 1 ? null : { address, pages: bytes / PAGE_BYTES }
}

/** The pages that are private to the process, ascending: those it has written since it began. 2 GiB take about 5 ms. */
export async function scanOwnPages(pid: number, ram: Ram): Promise<Run[]> {
  const runs: Run[] = []
  const buffer = Buffer.alloc(SCAN_BYTES)
  const words = new Uint32Array(buffer.buffer, buffer.byteOffset, buffer.length / 4)
  const breathe = breather()
  const map = openSync(`/proc/${pid}/pagemap`, 'r')
  try {
    const bytes = ram.pages * ENTRY_BYTES
    for (let at = 0; at < bytes; at += SCAN_BYTES) {
      const wanted = Math.min(SCAN_BYTES, bytes - at)
      const read = readSync(map, buffer, 0, wanted, (ram.address / PAGE_BYTES) * ENTRY_BYTES + at)
      if (read < wanted)
        throw new AppError('internal', 'The memory of this machine is gone.', { detail: `pagemap of ${pid}` })
      collectOwn(words.subarray(0, wanted / 4), at / ENTRY_BYTES, runs)
      await breathe()
    }
  } finally {
    closeSync(map)
  }
  return runs
}

/** Of the upper half of an entry (Linux, admin-guide/mm/pagemap): present (63) or swapped (62), and not of a file (61). */
const PRESENT_OR_SWAPPED = 0xc000_0000
const OF_A_FILE = 0x2000_0000

/** Adds the own pages among these entries to `runs`. Exported for tests. */
export function collectOwn(words: Uint32Array, firstPage: number, runs: Run[]): void {
  let last = runs.at(-1)
  for (let at = 1; at < words.length; at += 2) {
    const word = words[at] ?? 0
    if ((word & PRESENT_OR_SWAPPED) === 0 || (word & OF_A_FILE) !== 0) continue
    const page = firstPage + (at >> 1)
    if (last !== undefined && last.page + last.count === page) last.count++
    else {
      last = { page, count: 1 }
      runs.push(last)
    }
  }
}
