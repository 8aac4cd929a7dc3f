/** Makes a template, once for an Idempotency-Key. It has nothing in it until a build of it is ready. */
import { and, eq, sql } from 'drizzle-orm'
import type { CreateTemplateBody } from '../../../shared/contracts/templates.ts'
import { AppError } from '../../../shared/errors.ts'
import { newId } from '../../../shared/ids.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { answerOnce, type OnceAnswer, type OnceClaim } from '../accounts/answer-once.ts'
import type { Principal } from '../accounts/principal.ts'
import { slugOf } from '../accounts/slug.ts'
import type { AccountTx } from '../accounts/write-account.ts'
import type { Controller } from '../controller.ts'
import { type TemplateRow, template } from '../database/schema/templates.ts'
import { requireTemplateOwner } from './find-template.ts'
import { lockTenant } from './lock-tenant.ts'
import { requireBuildable } from './require-buildable.ts'
import { recordsOf } from './template-records.ts'

const ID_BYTES = 16
/** Paths beside those of templates. */
const RESERVED: ReadonlySet<string> = new Set(['build-spec', 'validate'])

/** Throws already_exists, account_limit, invalid_buildspec, owner_key_required. */
export async function makeTemplate(
  controller: Controller,
  principal: Principal,
  body: CreateTemplateBody,
  once: OnceClaim | undefined,
): Promise<OnceAnswer> {
  requireTemplateOwner(principal)
  const slug = body.slug ?? slugOf(body.name)
  refuseTaken(controller, principal, slug)
  const spec =
    (body.build_spec ?? null) === null ? null : (await requireBuildable(controller, principal, body.build_spec)).spec
  return controller.database.db.transaction(async (tx) => {
    await lockTenant(tx, principal)
    return answerOnce(tx, controller, once, async () => {
      const row = await insert(tx, controller, { tenant: principal.tenant, slug, body, spec })
      const [data] = await recordsOf({ ...controller, database: { ...controller.database, db: tx } }, [row])
      return { text: JSON.stringify({ data }), made: row.id }
    })
  })
}

/** What a create would take for another template may be no name of one. */
function refuseTaken({ ledger, policy }: Controller, { tenant }: Principal, slug: string): void {
  if (!RESERVED.has(slug) && !policy.templateAliases.has(slug) && !ledger.templates(tenant).has(slug)) return
  throw new AppError('already_exists', `${JSON.stringify(slug)} is the name of a template that is built in.`)
}

type Wanted = { tenant: string; slug: string; body: CreateTemplateBody; spec: TemplateRow['spec'] }

async function insert(
  tx: AccountTx,
  { region, clock, random }: Controller,
  { tenant, slug, body, spec }: Wanted,
): Promise<TemplateRow> {
  const mine = eq(template.tenant, tenant)
  if ((await tx.$count(template, and(mine, eq(template.slug, slug)))) > 0)
    throw new AppError('already_exists', `There is a template named ${JSON.stringify(slug)} already.`)
  if ((await tx.$count(template, mine)) >= LIMITS.templatesPerTenantMax)
    throw new AppError('account_limit', `A tenant has at most ${LIMITS.templatesPerTenantMax} templates.`, {
      details: { limit: LIMITS.templatesPerTenantMax },
    })
  const [made] = await tx
    .insert(template)
    .values({
      id: newId('tpl', region.code, clock(), random(ID_BYTES)),
      tenant,
      slug,
      name: body.name,
      description: body.description ?? '',
      spec,
      metadata: body.metadata ?? {},
      lastVersion: 0,
      tags: {},
      createdAt: sql`clock_timestamp()`,
    })
    .returning()
  if (made === undefined) throw new Error('An insert gave no row.')
  return made
}
