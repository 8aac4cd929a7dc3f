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
  const lock = await tryLockFile(path, waitMs)
  if (lock !== null) return lock
  throw new AppError('internal', 'Another process is busy with the same files.', { detail: `lock ${path}` })
}

/** Null when another process still holds the lock after `waitMs`. The signal ends the wait with its reason; it does not free the lock. */
export async function tryLockFile(path: string, waitMs: number, signal?: AbortSignal): Promise<AsyncDisposable | null> {
  signal?.throwIfAborted()
  // In a group of its own: Ctrl-C on a terminal ends all of ours, and the lock would be free before this process is done.
  const holder = spawn('flock', ['-x', '-w', String(waitMs / 1_000), path, 'cat'], {
    stdio: ['pipe', 'pipe', 'ignore'],
    detached: true,
  })
  const ended = once(holder, 'close')
  const stopWaiting = (): void => {
    holder.stdin.destroy()
    holder.kill()
  }
  signal?.addEventListener('abort', stopWaiting, { once: true })
  // What cat echoes was written under the lock.
  holder.stdin.on('error', () => {}).write('.')
  const isHeld = await Promise.race([once(holder.stdout, 'data').then(() => true), ended.then(() => false)])
  signal?.removeEventListener('abort', stopWaiting)
  signal?.throwIfAborted()
  if (!isHeld) return null
  return {
    [Symbol.asyncDispose]: async () => {
      holder.stdin.end()
      await ended
    },
  }
}
