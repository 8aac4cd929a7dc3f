/** A snapshot as callers see it, from its row. Pure. */
import type { SnapshotRecord } from '../../../shared/contracts/snapshots.ts'
import { sizeOf } from '../../../shared/machines.ts'
import type { SnapshotRow } from '../database/schema/snapshots.ts'

export function toSnapshotRecord(row: SnapshotRow, region: string): SnapshotRecord {
  const { vcpus, memoryMib, diskMib } = row
  return {
    id: row.id,
    sandbox_id: row.sandbox,
    // One that is being deleted is found by nobody any more.
    status: row.state === 'deleting' ? 'failed' : row.state,
    comment: row.comment,
    region,
    tenant_id: row.tenant,
    external_user_id: row.externalUser,
    template_id: row.template,
    size: sizeOf({ vcpus, memoryMib, diskMib }),
    cpu_count: vcpus,
    memory_mb: memoryMib,
    disk_size_mb: diskMib,
    size_bytes: row.bytes,
    stopped_ms: row.stoppedMs,
    last_error: row.lastError,
    created_at: row.createdAt.toISOString(),
  }
}
