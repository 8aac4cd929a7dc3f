/** Gives a file a second name, or where that is not possible (another file system) a copy with its holes and times. */
import { execFile } from 'node:child_process'
import { link } from 'node:fs/promises'
import { promisify } from 'node:util'
import { LIMITS } from '../../../shared/limits.ts'

const NO_SECOND_NAME = new Set(['EXDEV', 'EPERM', 'EMLINK', 'ENOTSUP'])

/** Node's own copy would fill the holes of a template's memory. */
export async function linkOrCopy(from: string, to: string): Promise<void> {
  try {
    await link(from, to)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && NO_SECOND_NAME.has(String(error.code)))) throw error
    const options = ['--sparse=always', '--reflink=auto', '--preserve=mode,timestamps']
    await promisify(execFile)('cp', [...options, '--', from, to], { timeout: LIMITS.templateLockMs })
  }
}
