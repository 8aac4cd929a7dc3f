/** Finding builds. They are seen by whoever may read the templates of the tenant, and by nobody else. */
import { and, desc, eq, sql } from 'drizzle-orm'
import { AppError } from '../../../../shared/errors.ts'
import { parseId } from '../../../../shared/ids.ts'
import { LIMITS } from '../../../../shared/limits.ts'
import { type KeyStanding, type Principal, requireStanding } from '../../accounts/principal.ts'
import type { Controller } from '../../controller.ts'
import type { Db } from '../../database/connect.ts'
import { snapshot } from '../../database/schema/snapshots.ts'
import { type BuildRow, type TemplateRow, template, templateBuild } from '../../database/schema/templates.ts'
import { isOwner } from '../find-template.ts'
import type { FoundBuild } from './build-record.ts'

export const noBuild = (): AppError => new AppError('build_not_found', 'There is no such build.')

const COLUMNS = { row: templateBuild, template, bytes: snapshot.bytes }

/** Throws build_not_found. */
export async function findBuild(
  { database, region }: Pick<Controller, 'database' | 'region'>,
  principal: Principal,
  id: string,
): Promise<FoundBuild> {
  if (!isOwner(principal) || parseId(id, 'bld')?.region !== region.code) throw noBuild()
  const [found] = await database.db
    .select({ ...COLUMNS, standing: sql<KeyStanding>`standing_of_key(${principal.key}, ${principal.tenant})` })
    .from(templateBuild)
    .innerJoin(template, eq(template.id, templateBuild.template))
    .leftJoin(snapshot, eq(snapshot.id, templateBuild.snapshot))
    .where(and(eq(templateBuild.id, id), eq(templateBuild.tenant, principal.tenant)))
  if (found === undefined) throw noBuild()
  requireStanding(found.standing)
  return found
}

/** Newest first. */
export const listBuilds = (db: Pick<Db, 'select'>, { id }: Pick<TemplateRow, 'id'>): Promise<FoundBuild[]> =>
  db
    .select(COLUMNS)
    .from(templateBuild)
    .innerJoin(template, eq(template.id, templateBuild.template))
    .leftJoin(snapshot, eq(snapshot.id, templateBuild.snapshot))
    .where(eq(templateBuild.template, id))
    .orderBy(desc(templateBuild.id))
    .limit(LIMITS.listRowsMax)

export async function readBuild(db: Pick<Db, 'select'>, id: string): Promise<BuildRow | undefined> {
  const [row] = await db.select().from(templateBuild).where(eq(templateBuild.id, id))
  return row
}
