/** A sandbox as callers see it, from its row. Pure. */
import type { ExecAnswer, SandboxRecord } from '../../../shared/contracts/sandboxes.ts'
import { sizeOf } from '../../../shared/machines.ts'
import type { SandboxRow } from '../database/schema/sandboxes.ts'
import type { CommandEnd } from '../hosts/run-stream.ts'

export function toRecord(row: SandboxRow, region: string, nowMs: number): SandboxRecord {
  return {
    id: row.id,
    name: row.name,
    state: row.state,
    ready: row.state === 'running',
    template_id: row.template,
    image_id: row.template,
    size: sizeOf({ vcpus: row.vcpus, memoryMib: row.memoryMib, diskMib: row.diskMib }),
    cpu_count: row.vcpus,
    memory_mb: row.memoryMib,
    disk_size_mb: row.diskMib,
    timeout_sec: row.timeoutSec,
    timeout_remaining_ms: row.expiresAt === null ? null : Math.max(0, row.expiresAt.getTime() - nowMs),
    idle_timeout_sec: row.idleTimeoutSec,
    always_on: row.alwaysOn,
    persistent: row.persistent,
    boot_path: row.bootPath,
    boot_ms: row.bootMs,
    metadata: row.lastError === null ? row.metadata : { ...row.metadata, last_error: row.lastError },
    tags: row.tags,
    region,
    tenant_id: row.tenant,
    external_workspace_id: row.externalWorkspaceId,
    external_user_id: row.externalUserId,
    external_project_id: row.externalProjectId,
    created_at: row.createdAt.toISOString(),
    inserted_at: row.createdAt.toISOString(),
    started_at: row.startedAt?.toISOString() ?? null,
    ready_at: row.readyAt?.toISOString() ?? null,
    destroyed_at: row.destroyedAt?.toISOString() ?? null,
  }
}

/** JSON has no bytes: what is not UTF-8 becomes U+FFFD here, and only here. */
export const toExecAnswer = ({ facts, stdout, stderr, truncated }: CommandEnd): ExecAnswer => ({
  stdout: stdout.toString('utf8'),
  stderr: stderr.toString('utf8'),
  exit_code: facts.exit_code,
  duration_ms: facts.duration_ms,
  reason: facts.reason,
  truncated,
})
