/** Whether the users that machines run under get to their own directories. */
import { statSync } from 'node:fs'
import { dirname } from 'node:path'
import { AppError } from '../../../shared/errors.ts'

/** Throws AppError('boot_failed') when one of the directories on the way to `path`, which is absolute, lets only some users pass. */
export function refuseClosed(path: string): void {
  for (let directory = path; directory !== '/'; directory = dirname(directory)) {
    const { mode } = statSync(directory)
    if ((mode & 0o001) !== 0) continue
    const detail = `${directory} is closed to the users that machines run under: chmod o+x it, or set another ATOLL_RUN_DIR`
    throw new AppError('boot_failed', 'This host cannot run machines.', { detail })
  }
}
