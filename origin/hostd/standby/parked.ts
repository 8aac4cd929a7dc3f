/** What there is of a sandbox that is paused on disk: its state, and the word of the journal that it is this sandbox's. */
import type { Journal } from '../journal/journal.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import type { SnapshotStore } from '../snapshot/snapshot-store.ts'

export type Parked = {
  snapshot: Snapshot
  /** Forgets it, for good when it returns: the word first, so that a crash leaves nothing that a sandbox could go back to. Safe to repeat. */
  end(): Promise<void>
}

type Ground = { journal: Journal; snapshots: SnapshotStore }

export const parkedIn = ({ journal, snapshots }: Ground, snapshot: Snapshot): Parked => ({
  snapshot,
  end: async () => {
    await journal.unpark(snapshot.manifest.id)
    await snapshots.remove(snapshot.manifest.id)
  },
})
