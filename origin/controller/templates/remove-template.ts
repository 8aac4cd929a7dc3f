/** Deletes a template with all of its versions, or one build with its version. What their snapshots took is freed afterwards. */
import { and, eq, inArray, isNotNull, or } from 'drizzle-orm'
import { AppError } from '../../../shared/errors.ts'
import type { Principal } from '../accounts/principal.ts'
import type { AccountTx } from '../accounts/write-account.ts'
import type { Controller } from '../controller.ts'
import { type BuildRow, type TemplateRow, template, templateBuild } from '../database/schema/templates.ts'
import { forgetSnapshot, markDeleting } from '../snapshots/discard-snapshot.ts'
import { isEnded, OPEN_STATES } from './builds/build-life.ts'
import { noBuild } from './builds/find-build.ts'
import { noTemplate, requireTemplateOwner } from './find-template.ts'
import { requireUnused } from './in-use.ts'
import { lockTenant } from './lock-tenant.ts'
import { versionName } from './template-reference.ts'

/** Throws template_in_use, build_not_ended, owner_key_required. */
export async function removeTemplate(controller: Controller, principal: Principal, found: TemplateRow): Promise<void> {
  requireTemplateOwner(principal)
  const { id, tenant, slug } = found
  const kept = await controller.database.db.transaction(async (tx) => {
    await lockTenant(tx, principal)
    const all = eq(templateBuild.template, id)
    const open = or(inArray(templateBuild.state, OPEN_STATES), isNotNull(templateBuild.sandbox))
    if ((await tx.$count(templateBuild, and(all, open))) > 0) throw notEnded()
    await requireUnused(tx, { tenant, made: slug, template: id })
    const gone = await tx.delete(templateBuild).where(all).returning({ snapshot: templateBuild.snapshot })
    const removed = await tx.delete(template).where(eq(template.id, id)).returning({ id: template.id })
    if (removed.length === 0) throw noTemplate()
    return markDeleting(tx, snapshotsOf(gone))
  })
  for (const one of kept) await forgetSnapshot(controller, one)
}

/** Throws template_in_use, build_not_ended, owner_key_required. */
export async function removeBuild(
  controller: Controller,
  principal: Principal,
  { row, template: of }: { row: BuildRow; template: Pick<TemplateRow, 'id' | 'slug'> },
): Promise<void> {
  requireTemplateOwner(principal)
  const kept = await controller.database.db.transaction(async (tx) => {
    await lockTenant(tx, principal)
    if (!isEnded(row.state) || row.sandbox !== null) throw notEnded()
    if (row.version !== null)
      await requireUnused(tx, { tenant: row.tenant, made: versionName(of.slug, row.version), template: of.id })
    const gone = await tx
      .delete(templateBuild)
      .where(and(eq(templateBuild.id, row.id), eq(templateBuild.revision, row.revision)))
      .returning({ snapshot: templateBuild.snapshot })
    if (gone.length === 0) throw noBuild()
    if (row.version !== null) await dropTags(tx, of.id, row.version)
    return markDeleting(tx, snapshotsOf(gone))
  })
  for (const one of kept) await forgetSnapshot(controller, one)
}

async function dropTags(tx: AccountTx, id: string, version: number): Promise<void> {
  const [row] = await tx.select({ tags: template.tags }).from(template).where(eq(template.id, id)).for('update')
  const tags = Object.fromEntries(Object.entries(row?.tags ?? {}).filter(([, of]) => of !== version))
  await tx.update(template).set({ tags }).where(eq(template.id, id))
}

const snapshotsOf = (gone: { snapshot: string | null }[]): string[] => gone.flatMap(({ snapshot }) => snapshot ?? [])

const notEnded = (): AppError =>
  new AppError('build_not_ended', 'A build is still under way, or its sandbox is being ended.', { retryAfterSec: 1 })
