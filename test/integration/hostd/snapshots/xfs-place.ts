/**
 * A file system with reflinks, for one daemon: XFS in a file, mounted where nobody else sees it. The kernel unmounts it when the last
 * process of that place is gone, so a test that is killed leaves nothing but a file among the scratch.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Place } from '../../../harness/host-daemon.ts'

/** Sparse: it takes what is written to it. A host leaves 2 GiB of it alone. */
const SIZE_BYTES = 6 * 1024 ** 3
const SCRIPT =
  'mkfs.xfs -q -m reflink=1 "$1" && mount -o loop "$1" "$2" && chmod 755 "$2" && echo ready && exec sleep infinity'

export async function openXfs(): Promise<Place & AsyncDisposable> {
  const directory = await mkdtemp(join(tmpdir(), 'xfs-'))
  const [image, mount] = [join(directory, 'image'), join(directory, 'mount')]
  await mkdir(mount)
  await using file = await open(image, 'w')
  await file.truncate(SIZE_BYTES)
  const holder = spawn(
    'setpriv',
    ['--pdeathsig', 'KILL', 'unshare', '--mount', 'sh', '-c', SCRIPT, 'sh', image, mount],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  const errors = collect(holder)
  const said = await Promise.race([once(holder.stdout, 'data'), once(holder, 'exit')])
  if (String(said[0]).trim() !== 'ready') throw new Error(`There is no XFS to be had here: ${errors()}`)
  const stateDir = join(mount, 'state')
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
