/** Asks for a build, once for an Idempotency-Key. What it begins with is decided here, so that it is the same for its whole life. */
import { and, desc, eq, inArray, isNotNull, sql } from 'drizzle-orm'
import { requireScope } from '../../../../shared/accounts.ts'
import type { CreateBuildBody } from '../../../../shared/contracts/templates.ts'
import { AppError } from '../../../../shared/errors.ts'
import { newId } from '../../../../shared/ids.ts'
import { LIMITS } from '../../../../shared/limits.ts'
import { answerOnce, type OnceAnswer, type OnceClaim } from '../../accounts/answer-once.ts'
import type { Principal } from '../../accounts/principal.ts'
import type { AccountTx } from '../../accounts/write-account.ts'
import type { Controller } from '../../controller.ts'
import { type BuildRow, type TemplateRow, templateBuild } from '../../database/schema/templates.ts'
import { opens, wishOf } from '../../egress/wish.ts'
import { findTemplateRow, requireTemplateOwner } from '../find-template.ts'
import { lockTenant } from '../lock-tenant.ts'
import { requireBuildable } from '../require-buildable.ts'
import type { Base } from '../resolve-base.ts'
import { egressOf } from './build-egress.ts'
import { OPEN_STATES } from './build-life.ts'
import { toBuildRecord } from './build-record.ts'
import { pendingSteps } from './plan-steps.ts'

const ID_BYTES = 16

export type BuildRequest = {
  principal: Principal
  reference: string
  body: CreateBuildBody
  once: OnceClaim | undefined
}

/** Throws no_such_template, invalid_buildspec, account_limit, owner_key_required, insufficient_scope. */
export async function makeBuild(controller: Controller, request: BuildRequest): Promise<OnceAnswer> {
  const { principal, reference, body, once } = request
  requireTemplateOwner(principal)
  const found = await findTemplateRow(controller, principal, reference)
  const wanted = await requireBuildable(controller, principal, await specOf(controller, found, body))
  const egress = egressOf(wanted.spec)
  if (egress !== undefined && opens(wishOf(egress))) requireScope(principal, 'egress:write')
  return controller.database.db.transaction(async (tx) => {
    await lockTenant(tx, principal)
    return answerOnce(tx, controller, once, async () => {
      await requireRoom(tx, found)
      const row = await insert(tx, controller, { found, principal, body, ...wanted })
      const data = toBuildRecord({ row, template: found, bytes: null }, controller.region.code)
      return { text: JSON.stringify({ data }), made: row.id }
    })
  })
}

/** Its own, that of the template, or that of the newest version. */
async function specOf({ database }: Controller, found: TemplateRow, body: CreateBuildBody): Promise<unknown> {
  const given = body.build_spec ?? found.spec ?? null
  if (given !== null) return given
  const [newest] = await database.db
    .select({ spec: templateBuild.spec })
    .from(templateBuild)
    .where(and(eq(templateBuild.template, found.id), isNotNull(templateBuild.version)))
    .orderBy(desc(templateBuild.version))
    .limit(1)
  return newest?.spec
}

async function requireRoom(tx: AccountTx, { id, tenant }: TemplateRow): Promise<void> {
  const mine = eq(templateBuild.tenant, tenant)
  if ((await tx.$count(templateBuild, and(mine, inArray(templateBuild.state, OPEN_STATES)))) >= LIMITS.buildsWaitingMax)
    throw new AppError(
      'account_limit',
      `A tenant has at most ${LIMITS.buildsWaitingMax} builds that are not done with.`,
    )
  const versions = await tx.$count(templateBuild, and(eq(templateBuild.template, id), isNotNull(templateBuild.version)))
  if (versions >= LIMITS.templateVersionsMax)
    throw new AppError(
      'account_limit',
      `A template has at most ${LIMITS.templateVersionsMax} versions. DELETE /v1/sandbox-template-builds/{id} deletes one.`,
    )
}

type Wanted = Awaited<ReturnType<typeof requireBuildable>> & {
  found: TemplateRow
  principal: Principal
  body: CreateBuildBody
}

async function insert(
  tx: AccountTx,
  { region, clock, random, instance }: Controller,
  { found, principal, body, spec, base }: Wanted,
): Promise<BuildRow> {
  const [made] = await tx
    .insert(templateBuild)
    .values({
      id: newId('bld', region.code, clock(), random(ID_BYTES)),
      template: found.id,
      tenant: found.tenant,
      state: 'queued',
      revision: 1,
      instance: instance.number,
      attempts: 0,
      tags: body.tags ?? [],
      spec: withMachineOf(spec, base),
      metadata: body.metadata ?? {},
      isUncached: body.no_cache ?? false,
      principal,
      base: base.name,
      baseSnapshot: base.source?.id ?? null,
      steps: pendingSteps(spec),
      createdAt: sql`clock_timestamp()`,
      changedAt: sql`clock_timestamp()`,
    })
    .returning()
  if (made === undefined) throw new Error('An insert gave no row.')
  return made
}

/** The machine is written out, so that a default that changes changes nothing that was asked for. */
const withMachineOf = (spec: BuildRow['spec'], { machine }: Base): BuildRow['spec'] => ({
  ...spec,
  vcpu: machine.vcpus,
  memoryMib: machine.memoryMib,
  diskMib: machine.diskMib,
})
