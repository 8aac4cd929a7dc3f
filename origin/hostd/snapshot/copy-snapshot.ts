/** Makes a snapshot of a snapshot: another name for the same files, which are immutable, and which go when the last name does. */
import { basename, join } from 'node:path'
import { ownFiles } from './describe-snapshot.ts'
import { linkOrCopy } from './link-file.ts'
import type { Manifest } from './manifest.ts'
import type { Snapshot } from './snapshot.ts'
import type { SnapshotStore } from './snapshot-store.ts'
import { sync } from './sync-files.ts'

/** On the platter when it returns. Throws AppError: `already_exists`, `snapshot_space_exhausted`, `host_disk_exhausted`. */
export async function copySnapshot(
  store: SnapshotStore,
  original: Snapshot,
  { id, kind }: Pick<Manifest, 'id' | 'kind'>,
): Promise<Snapshot> {
  await using _inUse = original.use()
  await using draft = await store.draft(id)
  using _room = store.reserve(original.manifest.bytes)
  for (const file of ownFiles(original.directory)) await linkOrCopy(file, join(draft.directory, basename(file)))
  await sync(...ownFiles(draft.directory), draft.directory)
  return await draft.finish({ ...original.manifest, id, kind, taken_at_ms: Date.now(), stopped_ms: 0 }, true)
}
