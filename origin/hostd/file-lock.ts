/**
 * A lock on a file between processes, freed by its holder's death.
 *
 * Node has no flock, so flock(1) of util-linux holds it: it runs `cat` on a pipe from this process, which ends with it.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { AppError } from '../../shared/errors.ts'

/** Waits at most `waitMs` for the lock. Throws AppError('internal') when another process still holds it by then. */
export async function lockFile(path: string, waitMs: number): Promise<AsyncDisposable> {
  const seconds = String(waitMs / 1_000)
  const holder = spawn('flock', ['-x', '-w', seconds, path, 'cat'], { stdio: ['pipe', 'pipe', 'ignore'] })
  const ended = once(holder, 'close')
  // What cat echoes was written under the lock.
  holder.stdin.write('.')
  holder.stdin.on('error', () => {})
  const held = await Promise.race([once(holder.stdout, 'data').then(() => true), ended.then(() => false)])
  if (!held) throw new AppError('internal', 'Another process is busy with the same files.', { detail: `lock ${path}` })
  return {
    [Symbol.asyncDispose]: async () => {
      holder.stdin.end()
      await ended
    },
  }
}
