/** Templates of a tenant's own as callers see them: with their newest version, and what becomes of the next one. */
import { and, desc, eq, inArray, isNotNull } from 'drizzle-orm'
import type { TemplateRecord } from '../../../shared/contracts/catalog.ts'
import { SIZES } from '../../../shared/machines.ts'
import type { Controller } from '../controller.ts'
import { snapshot } from '../database/schema/snapshots.ts'
import { type BuildRow, type TemplateRow, templateBuild } from '../database/schema/templates.ts'
import type { Policy } from '../sandboxes/plan-sandbox.ts'
import { isEnded } from './builds/build-life.ts'
import { versionName } from './template-reference.ts'
import { WORKDIR } from './template-settings.ts'

type Machine = { vcpus: number; memoryMib: number; diskMib: number }
type Built = { build: Pick<BuildRow, 'template' | 'version' | 'spec'>; machine: Machine | null }

export async function recordsOf(
  { database: { db }, policy, region }: Pick<Controller, 'database' | 'policy' | 'region'>,
  rows: TemplateRow[],
): Promise<TemplateRecord[]> {
  const ids = rows.map(({ id }) => id)
  if (ids.length === 0) return []
  const { template, version, spec, state, id } = templateBuild
  const { vcpus, memoryMib, diskMib } = snapshot
  const [built, newest] = await Promise.all([
    db
      .selectDistinctOn([template], { build: { template, version, spec }, machine: { vcpus, memoryMib, diskMib } })
      .from(templateBuild)
      .leftJoin(snapshot, and(eq(snapshot.id, templateBuild.snapshot), eq(snapshot.state, 'ready')))
      .where(and(inArray(template, ids), isNotNull(version)))
      .orderBy(template, desc(version)),
    db
      .selectDistinctOn([template], { template, state })
      .from(templateBuild)
      .where(inArray(template, ids))
      .orderBy(template, desc(id)),
  ])
  const builtOf = new Map(built.map((one) => [one.build.template, one]))
  const stateOf = new Map(newest.map((one) => [one.template, one.state]))
  return rows.map((row) => toRecord(row, { built: builtOf.get(row.id), newest: stateOf.get(row.id) }, policy, region))
}

function toRecord(
  row: TemplateRow,
  { built, newest }: { built: Built | undefined; newest: BuildRow['state'] | undefined },
  policy: Policy,
  region: Controller['region'],
): TemplateRecord {
  const version = built?.build.version ?? null
  const spec = built?.build.spec ?? row.spec
  const machine = built?.machine ?? SIZES[policy.defaultSize]
  return {
    id: row.id,
    name: row.name,
    slug: row.slug,
    description: row.description,
    image_id: version === null ? row.slug : versionName(row.slug, version),
    default: false,
    built_in: false,
    status: statusOf(built, newest),
    version,
    version_tags: row.tags,
    region: region.code,
    metadata: row.metadata,
    created_at: row.createdAt.toISOString(),
    disk_mb: machine.diskMib,
    workdir: spec?.workdir ?? WORKDIR,
    preview_port: spec?.previewPort ?? null,
    install_command: null,
    start_command: spec?.startCmd ?? null,
    readiness_probe: spec?.readyCmd ?? null,
    runtimes: [],
    artifact_paths: spec?.artifactPaths ?? [],
    tags: [],
    categories: ['own'],
    default_cpu: machine.vcpus,
    default_memory_mb: machine.memoryMib,
  }
}

/** A version whose host has lost it is none that a sandbox can be made of. */
function statusOf(built: Built | undefined, newest: BuildRow['state'] | undefined): TemplateRecord['status'] {
  if (built !== undefined && built.machine !== null) return 'ready'
  if (newest === undefined) return 'empty'
  return isEnded(newest) ? 'failed' : 'building'
}
