/**
 * Finding templates of a tenant's own. They are the whole tenant's: its keys for end users and its short-lived tokens may make sandboxes of
 * them, and see nothing of how they are made.
 */
import { and, desc, eq, sql } from 'drizzle-orm'
import { AppError } from '../../../shared/errors.ts'
import { parseId } from '../../../shared/ids.ts'
import { type KeyStanding, type Principal, requireStanding } from '../accounts/principal.ts'
import type { Controller } from '../controller.ts'
import type { Db } from '../database/connect.ts'
import { type TemplateRow, template } from '../database/schema/templates.ts'
import type { TemplateReference } from './template-reference.ts'

export const noTemplate = (): AppError => new AppError('no_such_template', 'There is no such template here.')

/** Whether this principal may read, make and delete templates. */
export const isOwner = ({ externalUser, isTemporary }: Pick<Principal, 'externalUser' | 'isTemporary'>): boolean =>
  externalUser === null && !isTemporary

/** Throws owner_key_required. */
export function requireTemplateOwner(principal: Principal): void {
  if (isOwner(principal)) return
  throw new AppError('owner_key_required', 'Templates are made, changed and deleted with a key of the whole tenant.')
}

const named = ({ by }: TemplateReference) => ('id' in by ? eq(template.id, by.id) : eq(template.slug, by.slug))

export async function readTemplate(
  db: Pick<Db, 'select'>,
  tenant: string,
  reference: TemplateReference,
): Promise<TemplateRow | undefined> {
  const [found] = await db
    .select()
    .from(template)
    .where(and(eq(template.tenant, tenant), named(reference)))
  return found
}

/** One that a path names, for whoever owns it; the key's standing is asked in the same statement. Throws no_such_template. */
export async function findTemplateRow(
  { database, region }: Pick<Controller, 'database' | 'region'>,
  principal: Principal,
  reference: string,
): Promise<TemplateRow> {
  const id = parseId(reference, 'tpl')
  if (!isOwner(principal) || reference.includes('\0') || (id !== null && id.region !== region.code)) throw noTemplate()
  const [found] = await database.db
    .select({ row: template, standing: sql<KeyStanding>`standing_of_key(${principal.key}, ${principal.tenant})` })
    .from(template)
    .where(
      and(
        eq(template.tenant, principal.tenant),
        id === null ? eq(template.slug, reference) : eq(template.id, reference),
      ),
    )
  if (found === undefined) throw noTemplate()
  requireStanding(found.standing)
  return found.row
}

/** Newest first. */
export const readTemplates = (db: Pick<Db, 'select'>, tenant: string): Promise<TemplateRow[]> =>
  db.select().from(template).where(eq(template.tenant, tenant)).orderBy(desc(template.id))
