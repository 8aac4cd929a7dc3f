/** A sandbox as callers see it, from its row. Pure. */
import type { ExecAnswer, SandboxRecord } from '../../../shared/contracts/sandbox-records.ts'
import { idToLabel } from '../../../shared/ids.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { sizeOf } from '../../../shared/machines.ts'
import type { Controller } from '../controller.ts'
import type { SandboxRow } from '../database/schema/sandboxes.ts'
import type { CommandEnd } from '../hosts/run-stream.ts'
import { type Previews, urlInfoOf } from '../previews/previews.ts'
import { cutAtCharacter } from '../processes/cut-at-character.ts'
import { nameOfTemplate } from '../templates/template-reference.ts'

/** Of the sizes as they are named in `resource_contract`. */
const CONTRACT_VERSION = 1

const NO_PREVIEW = { preview_url: null, url_info: null, url_class: null } as const

function previewOf({ id, previewPort }: SandboxRow, { urlOf, domain }: Previews) {
  if (previewPort === null) return { ...NO_PREVIEW, preview_domain: domain }
  const info = urlInfoOf(urlOf(id, previewPort))
  return { preview_url: info.url, preview_domain: domain, url_info: info, url_class: info.url_class }
}

export function toRecord(
  row: SandboxRow,
  { region: { code: region }, previews, clock }: Pick<Controller, 'region' | 'previews' | 'clock'>,
): SandboxRecord {
  const nowMs = clock()
  const size = sizeOf({ vcpus: row.vcpus, memoryMib: row.memoryMib, diskMib: row.diskMib })
  return {
    id: row.id,
    slug: row.slug ?? idToLabel(row.id),
    name: row.name,
    state: row.state,
    ready: row.state === 'running',
    last_error: row.state === 'error' ? row.lastError : null,
    template_id: nameOfTemplate(row.template),
    image_id: row.template,
    size,
    resource_contract: {
      id: `sandbox/${size}@v${CONTRACT_VERSION}`,
      version: CONTRACT_VERSION,
      product: 'sandbox',
      size,
      vcpus: row.vcpus,
      memory_mb: row.memoryMib,
      disk_size_mb: row.diskMib,
    },
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
    ...previewOf(row, previews),
    stable_for_embedding: false,
    recommended_next_action: null,
    metadata: row.lastError === null ? row.metadata : { ...row.metadata, last_error: row.lastError },
    tags: row.tags,
    region,
    tenant_id: row.tenant,
    owner_id: row.tenant,
    workspace_id: row.workspace,
    workspace_slug: row.workspaceSlug,
    workspace_name: row.workspaceName,
    project_id: null,
    project_slug: null,
    project_name: null,
    external_workspace_id: row.externalWorkspaceId,
    external_user_id: row.externalUserId,
    external_project_id: row.externalProjectId,
    created_at: row.createdAt.toISOString(),
    inserted_at: row.createdAt.toISOString(),
    started_at: row.startedAt?.toISOString() ?? null,
    ready_at: row.readyAt?.toISOString() ?? null,
    destroyed_at: row.destroyedAt?.toISOString() ?? null,
    total_runtime_sec: Math.floor(runtimeMs(row, nowMs) / 1_000),
  }
}

/** What it ran before it was last started, and since then if it still runs. */
function runtimeMs(row: SandboxRow, nowMs: number): number {
  const isMetered = row.state === 'running' || row.state === 'snapshotting'
  const sinceMs = isMetered && row.startedAt !== null ? Math.max(0, nowMs - row.startedAt.getTime()) : 0
  return (row.runtimeMs ?? 0) + sinceMs
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

/** What of a command is kept for a repeat of its request: the same thing, when it said little. */
export function cutOutput(end: CommandEnd): CommandEnd {
  const [stdout, stderr] = [cutText(end.stdout), cutText(end.stderr)]
  const isWhole = stdout === end.stdout && stderr === end.stderr
  return isWhole ? end : { ...end, stdout, stderr, truncated: true }
}

const cutText = (bytes: Buffer): Buffer => cutAtCharacter(bytes, LIMITS.keptOutputBytesMax)
