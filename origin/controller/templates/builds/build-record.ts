/** A build as callers see it, from its row. Pure. */
import type { BuildRecord } from '../../../../shared/contracts/templates.ts'
import type { BuildRow, TemplateRow } from '../../database/schema/templates.ts'

/** `bytes` are those of its snapshot. */
export type FoundBuild = { row: BuildRow; template: Pick<TemplateRow, 'id' | 'slug'>; bytes: number | null }

export const toBuildRecord = ({ row, template, bytes }: FoundBuild, region: string): BuildRecord => ({
  id: row.id,
  template_id: template.id,
  template_name: template.slug,
  state: row.state,
  version: row.version,
  tags: row.tags,
  from: row.base,
  build_spec: row.spec,
  steps: row.steps,
  error: row.error,
  sandbox_id: row.sandbox,
  size_bytes: row.version === null ? null : bytes,
  metadata: row.metadata,
  region,
  created_at: row.createdAt.toISOString(),
  started_at: row.startedAt?.toISOString() ?? null,
  finished_at: row.finishedAt?.toISOString() ?? null,
})
