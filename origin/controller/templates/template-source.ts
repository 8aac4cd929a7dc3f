/** What a create that names a template of the tenant's own goes on from: the snapshot that its version is. */
import { and, desc, eq, isNotNull } from 'drizzle-orm'
import type { BuildSpec } from '../../../shared/contracts/build-spec.ts'
import { AppError } from '../../../shared/errors.ts'
import type { Controller } from '../controller.ts'
import { type SnapshotRow, snapshot } from '../database/schema/snapshots.ts'
import { templateBuild } from '../database/schema/templates.ts'
import { askedTemplate, DEFAULT_TEMPLATE, type Source } from '../sandboxes/plan-sandbox.ts'
import { readTemplate } from './find-template.ts'
import { parseTemplateReference, type TemplateReference, versionName } from './template-reference.ts'

export type VersionSource = Source & { spec: BuildSpec }

/** Undefined when the tenant has no such template. Throws template_not_built, template_not_found, snapshot_lost. */
export async function readVersion(
  { database: { db } }: Pick<Controller, 'database'>,
  tenant: string,
  asked: string,
): Promise<VersionSource | undefined> {
  if (asked.includes('\0')) return undefined
  const reference = parseTemplateReference(asked)
  const found = await readTemplate(db, tenant, reference)
  if (found === undefined) return undefined
  const version = pickVersion(reference, found.tags)
  if (version === undefined) throw noVersion(asked)
  const [built] = await db
    .select({ version: templateBuild.version, spec: templateBuild.spec, kept: snapshot })
    .from(templateBuild)
    .leftJoin(snapshot, eq(snapshot.id, templateBuild.snapshot))
    .where(
      and(
        eq(templateBuild.template, found.id),
        version === null ? isNotNull(templateBuild.version) : eq(templateBuild.version, version),
      ),
    )
    .orderBy(desc(templateBuild.version))
    .limit(1)
  if (built === undefined || built.version === null) {
    if (version !== null) throw noVersion(asked)
    throw new AppError('template_not_built', `No build of the template ${JSON.stringify(found.slug)} is ready.`)
  }
  return sourceOf(versionName(found.slug, built.version), built.kept, built.spec)
}

/** What a create goes on from that names one of the tenant's own; undefined for what is built in, or is not there. Throws as `readVersion` does. */
export async function ownTemplate(
  controller: Pick<Controller, 'database' | 'ledger' | 'policy'>,
  tenant: string,
  body: Parameters<typeof askedTemplate>[0],
): Promise<Source | undefined> {
  const asked = askedTemplate(body)
  const named = controller.policy.templateAliases.get(asked) ?? asked
  const isBuiltIn = named === DEFAULT_TEMPLATE || controller.ledger.templates(tenant).has(named)
  return isBuiltIn ? undefined : readVersion(controller, tenant, named)
}

/** Undefined for a tag that no version has; null is the newest. */
const pickVersion = ({ pick }: TemplateReference, tags: Record<string, number>): number | null | undefined =>
  typeof pick === 'string' ? (Object.hasOwn(tags, pick) ? tags[pick] : undefined) : pick

function sourceOf(name: string, kept: SnapshotRow | null, spec: BuildSpec): VersionSource {
  if (kept?.state !== 'ready')
    throw new AppError('snapshot_lost', `What the template ${name} was made of is lost with its host: build it again.`)
  // Where its build went is nobody's to go, and what it was told on its way is nobody's to read.
  return { ...kept, template: name, env: spec.env, egress: null, externalUser: null, spec }
}

const noVersion = (asked: string): AppError =>
  new AppError('template_not_found', `There is no version ${JSON.stringify(asked)} of that template.`)
