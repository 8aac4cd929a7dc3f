/**
 * Moves pages between a machine's memory and a file. The kernel copies through /proc/PID/mem at several GB a second when
 * the buffer stays in the processor's cache; calls that wait in the thread pool would cost more than the copying.
 */
import { closeSync, openSync, readSync, writeSync } from 'node:fs'
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { breather } from './breathe.ts'
import type { Ram } from './guest-memory.ts'
import { PAGE_BYTES, type PlacedRun } from './page-runs.ts'

/** Throws AppError('internal') when the process ended meanwhile, and the file system's own error when that is full. */
export async function copyOut(pid: number, ram: Ram, runs: PlacedRun[], file: number): Promise<void> {
  const buffer = Buffer.allocUnsafeSlow(LIMITS.copyChunkBytes)
  const breathe = breather()
  const memory = openSync(`/proc/${pid}/mem`, 'r')
  try {
    for (const { address, at, bytes } of chunksOf(ram, runs)) {
      if (readSync(memory, buffer, 0, bytes, address) < bytes) throw gone(pid)
      writeWhole(file, buffer.subarray(0, bytes), at)
      await breathe()
    }
  } finally {
    closeSync(memory)
  }
}

/** `read` gives the bytes of the file that begin at a place; it is asked in the order of the runs. */
export async function copyIn(
  pid: number,
  ram: Ram,
  runs: PlacedRun[],
  read: (at: number, bytes: number) => Uint8Array,
): Promise<void> {
  const breathe = breather()
  const memory = openSync(`/proc/${pid}/mem`, 'r+')
  try {
    for (const { address, at, bytes } of chunksOf(ram, runs)) {
      writeWhole(memory, read(at, bytes), address)
      await breathe()
    }
  } finally {
    closeSync(memory)
  }
}

type Chunk = { address: number; at: number; bytes: number }

function* chunksOf(ram: Ram, runs: PlacedRun[]): Generator<Chunk> {
  for (const { page, count, slot } of runs)
    for (let done = 0; done < count * PAGE_BYTES; done += LIMITS.copyChunkBytes)
      yield {
        address: ram.address + page * PAGE_BYTES + done,
        at: slot * PAGE_BYTES + done,
        bytes: Math.min(LIMITS.copyChunkBytes, count * PAGE_BYTES - done),
      }
}

/** A file system that fills up may take a part before it refuses the rest. */
function writeWhole(file: number, bytes: Uint8Array, at: number): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done, bytes.length - done, at + done)
}

const gone = (pid: number): AppError =>
  new AppError('internal', 'The memory of this machine is gone.', { detail: `mem of ${pid}` })
