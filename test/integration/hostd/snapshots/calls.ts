/** What the tests of snapshots ask of a host. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as z from 'zod'
import { HOST_SNAPSHOT_ROUTES, type HostSnapshot, hostSnapshot } from '../../../../shared/contracts/host-snapshots.ts'
import type { Daemon, Stream } from '../../../harness/host-daemon.ts'
import { create, shell, spec } from '../requests.ts'

export const ask = (host: Daemon, sandbox: string, snapshot_id: string) =>
  host.send('POST', HOST_SNAPSHOT_ROUTES.take.path.replace(':id', sandbox), { snapshot_id })

export async function take(host: Daemon, sandbox: string, snapshotId: string): Promise<HostSnapshot> {
  const { status, body } = await ask(host, sandbox, snapshotId)
  if (status !== 200) throw new Error(`${status} ${body}`)
  return hostSnapshot.parse(JSON.parse(body))
}

export async function list(host: Daemon): Promise<HostSnapshot[]> {
  const { body } = await host.send('GET', HOST_SNAPSHOT_ROUTES.list.path)
  return z.object({ snapshots: z.array(hostSnapshot) }).parse(JSON.parse(body)).snapshots
}

export const remove = (host: Daemon, id: string) =>
  host.send('DELETE', HOST_SNAPSHOT_ROUTES.remove.path.replace(':id', id))

/** A new sandbox that goes on from a snapshot, with a first command in it. */
export const createFrom = (host: Daemon, id: string, snapshot_id: string, line: string): Promise<Stream> =>
  create(host, spec(id, { snapshot_id }), shell(line))

/** The directory in which a snapshot is kept. */
export async function directoryOf(host: Daemon, id: string): Promise<string> {
  const at = join(host.stateDir, 'snapshots')
  for (const entry of await readdir(at)) {
    const manifest = await readFile(join(at, entry, 'manifest.json'), 'utf8').catch(() => '')
    if (manifest.includes(`"id":"${id}"`)) return join(at, entry)
  }
  throw new Error(`There is no snapshot ${id}.`)
}

/** What is in the store: the names of snapshots' directories, layers without their seals, and bases of templates. */
export async function stored(host: Daemon): Promise<{ snapshots: string[]; layers: string[]; bases: string[] }> {
  const names = (directory: string): Promise<string[]> => readdir(join(host.stateDir, directory))
  const [snapshots, layers, bases] = await Promise.all(['snapshots', 'layers', 'bases'].map(names))
  return {
    snapshots: snapshots ?? [],
    layers: (layers ?? []).filter((name) => !name.endsWith('.crc32')),
    bases: (bases ?? []).filter((name) => !name.startsWith('_image-')),
  }
}
