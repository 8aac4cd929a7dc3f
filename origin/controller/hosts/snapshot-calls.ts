/** What a host is asked about snapshots. Calls that copy a machine's memory take their time, on connections that hold up nothing else. */
import type * as z from 'zod'
import type { VmRecord } from '../../../shared/contracts/host.ts'
import {
  type ForkAnswer,
  type ForkBody,
  HOST_SNAPSHOT_ROUTES,
  type HostSnapshot,
  type RestoreBody,
} from '../../../shared/contracts/host-snapshots.ts'
import { type Answer, required } from './outcome.ts'

export type SnapshotCalls = {
  take(id: string, snapshotId: string): Promise<Answer<HostSnapshot>>
  snapshots(): Promise<Answer<{ snapshots: HostSnapshot[] }>>
  removeSnapshot(snapshotId: string): Promise<Answer<null>>
  restore(id: string, body: RestoreBody): Promise<Answer<VmRecord>>
  fork(id: string, body: ForkBody): Promise<Answer<ForkAnswer>>
  merge(id: string, winner: string): Promise<Answer<VmRecord>>
}

type Call = <T>(
  route: { method: string; path: string; answer?: z.ZodType<T> },
  id: string,
  body?: unknown,
) => Promise<Answer<T | null>>

export const snapshotCalls = (call: Call, copy: Call): SnapshotCalls => ({
  take: (id, snapshotId) => required(copy(HOST_SNAPSHOT_ROUTES.take, id, { snapshot_id: snapshotId })),
  snapshots: () => required(call(HOST_SNAPSHOT_ROUTES.list, '')),
  removeSnapshot: (snapshotId) => call(HOST_SNAPSHOT_ROUTES.remove, snapshotId),
  restore: (id, body) => required(copy(HOST_SNAPSHOT_ROUTES.restore, id, body)),
  fork: (id, body) => required(copy(HOST_SNAPSHOT_ROUTES.fork, id, body)),
  merge: (id, winner) => required(copy(HOST_SNAPSHOT_ROUTES.merge, id, { winner })),
})
