/**
 * One builder at a time in a cache directory. The kernel holds the lock for a small child whose stdin is ours, so that the
 * death of this process, however it comes, frees it.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable, Writable } from 'node:stream'

export type BuildLock = { free(): Promise<void> }
type Holder = ChildProcessByStdio<Writable, Readable, null>

/** Waits for its turn until it comes or the signal ends the wait. `onWait` is called when somebody else builds. */
export async function takeBuildLock(path: string, onWait: () => void, signal?: AbortSignal): Promise<BuildLock> {
  const atOnce = await hold(path, ['--nonblock'], signal)
  if (atOnce !== null) return atOnce
  onWait()
  const inTurn = await hold(path, [], signal)
  if (inTurn === null) throw new Error(`The lock ${path} cannot be taken.`)
  return inTurn
}

async function hold(path: string, options: string[], signal?: AbortSignal): Promise<BuildLock | null> {
  const holder: Holder = spawn('flock', [...options, path, 'sh', '-c', 'echo held; exec cat'], {
    stdio: ['pipe', 'pipe', 'inherit'],
    signal,
  })
  const exited = once(holder, 'exit')
  const held = once(holder.stdout, 'data').then(() => true)
  const isHeld = await Promise.race([held, exited.then(() => false)])
  if (!isHeld) return null
  return {
    free: async () => {
      holder.stdin.end()
      await exited
    },
  }
}
