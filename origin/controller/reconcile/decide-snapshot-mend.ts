/**
 * What is wrong between the row of a snapshot and what its host keeps, and what mends it. Pure: every state answers both.
 *
 *   row \ host   keeps it                does not
 *   creating     [orphan] finish it      [orphan] undo it
 *   ready        leave                   lost
 *   failed       found again             leave
 *   deleting     forget it               forget it
 *
 * [orphan]: only when no living controller works on it. What was lost with its host may come back with it.
 */
import type { SnapshotState } from '../database/schema/snapshots.ts'

export type SnapshotMend =
  | 'leave'
  | 'snapshot_finish'
  | 'snapshot_undo'
  | 'snapshot_lost'
  | 'snapshot_found'
  | 'snapshot_forget'

export type SnapshotFinding = { state: SnapshotState; isKept: boolean; isOrphan: boolean }

export function decideSnapshotMend({ state, isKept, isOrphan }: SnapshotFinding): SnapshotMend {
  switch (state) {
    case 'creating':
      if (!isOrphan) return 'leave'
      return isKept ? 'snapshot_finish' : 'snapshot_undo'
    case 'ready':
      return isKept ? 'leave' : 'snapshot_lost'
    case 'failed':
      return isKept ? 'snapshot_found' : 'leave'
    case 'deleting':
      return 'snapshot_forget'
  }
}
