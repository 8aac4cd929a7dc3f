/** All templates that there are for a caller: the built-in ones by name, then those of their tenant, newest first. */
import type { TemplateRecord } from '../../../shared/contracts/catalog.ts'
import type { Principal } from '../accounts/principal.ts'
import type { Controller } from '../controller.ts'
import { findTemplateRow, isOwner, noTemplate, readTemplates } from '../templates/find-template.ts'
import { recordsOf } from '../templates/template-records.ts'
import { findBuiltIn, listBuiltIn } from './templates.ts'

export async function listTemplates(
  controller: Controller,
  principal: Principal,
  withAliases = false,
): Promise<TemplateRecord[]> {
  const { tenant } = principal
  const own = isOwner(principal) ? await readTemplates(controller.database.db, tenant) : []
  return [...listBuiltIn(controller, tenant, withAliases), ...(await recordsOf(controller, own))]
}

/** By name, alias or id. Throws no_such_template. */
export async function findTemplate(
  controller: Controller,
  principal: Principal,
  reference: string,
): Promise<TemplateRecord> {
  const builtIn = findBuiltIn(controller, principal.tenant, reference)
  if (builtIn !== undefined) return builtIn
  const [found] = await recordsOf(controller, [await findTemplateRow(controller, principal, reference)])
  if (found === undefined) throw noTemplate()
  return found
}
