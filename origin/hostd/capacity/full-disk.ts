/** What the kernel says when there is no room to write, in the words of the error table. Room is looked at before; this is for what came between. */
import { AppError } from '../../../shared/errors.ts'

const CODES = new Set(['ENOSPC', 'EDQUOT'])

/** Null for every other error. */
export function fullDisk(error: unknown): AppError | null {
  const isFull = error instanceof Error && 'code' in error && CODES.has(String(error.code))
  return isFull ? new AppError('host_disk_exhausted', 'The disk of this host is full.', { cause: error }) : null
}
