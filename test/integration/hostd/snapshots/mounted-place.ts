/**
 * A file system for one daemon, mounted where nobody else sees it. The kernel unmounts it when the last process of that place is gone, so
 * a test that is killed leaves nothing but a file among the scratch.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Place } from '../../../harness/host-daemon.ts'

export type MountedPlace = Place & AsyncDisposable

/** With reflinks. Sparse: it takes what is written to it, and a host leaves 2 GiB of it alone. */
export const openXfs = (): Promise<MountedPlace> =>
  openPlace('truncate -s 6G "$1/image" && mkfs.xfs -q -m reflink=1 "$1/image" && mount -o loop "$1/image" "$1/place"')

/** Where there is room for everything but snapshots. */
export const openFull = (): Promise<MountedPlace> =>
  openPlace('mkdir -p "$1/place/state/snapshots" && mount -t tmpfs -o size=1m tmpfs "$1/place/state/snapshots"')

/** Where there is little room for what machines write. */
export const openNarrow = (): Promise<MountedPlace> =>
  openPlace('mkdir -p "$1/place/state/machines" && mount -t tmpfs -o size=64m tmpfs "$1/place/state/machines"')

async function openPlace(script: string): Promise<MountedPlace> {
  const directory = await mkdtemp(join(tmpdir(), 'place-'))
  await mkdir(join(directory, 'place'))
  const whole = `${script} && echo ready && exec sleep infinity`
  const holder = spawn('setpriv', ['--pdeathsig', 'KILL', 'unshare', '--mount', 'sh', '-c', whole, 'sh', directory], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const errors = collect(holder)
  const said = await Promise.race([once(holder.stdout, 'data'), once(holder, 'exit')])
  if (String(said[0]).trim() !== 'ready') throw new Error(`This file system is not to be had here: ${errors()}`)
  const stateDir = join(directory, 'place/state')
  return {
    through: ['nsenter', `--mount=/proc/${holder.pid}/ns/mnt`, '--'],
    stateDir,
    seenStateDir: `/proc/${holder.pid}/root${stateDir}`,
    [Symbol.asyncDispose]: async () => {
      const ended = once(holder, 'exit')
      holder.kill('SIGKILL')
      await ended
      await rm(directory, { recursive: true, force: true })
    },
  }
}

function collect(child: ChildProcess): () => string {
  let text = ''
  child.stderr?.setEncoding('utf8').on('data', (more: string) => {
    text += more
  })
  return () => text
}
