/** Makes the space of a name, or changes what its next sandbox is made of. Safe to repeat. */
import { and, eq, isNull, sql } from 'drizzle-orm'
import { type SpaceBody, spaceNameSchema } from '../../../shared/contracts/spaces.ts'
import { AppError } from '../../../shared/errors.ts'
import { newId, parseId } from '../../../shared/ids.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Principal } from '../accounts/principal.ts'
import { requireStanding } from '../accounts/principal.ts'
import type { Controller } from '../controller.ts'
import { type SpaceRow, space } from '../database/schema/spaces.ts'
import { planSandbox } from '../sandboxes/plan-sandbox.ts'
import { subjectOf } from '../sandboxes/subject.ts'
import { ownTemplate } from '../templates/template-source.ts'
import { findSpace } from './find-space.ts'

const ID_BYTES = 16

/** Throws invalid_request for a name that is none, account_limit, and what a create with this body would. */
export async function putSpace(
  controller: Controller,
  principal: Principal,
  reference: string,
  body: SpaceBody,
): Promise<SpaceRow> {
  const { policy, ledger, database } = controller
  const subject = subjectOf(principal, body.external_user_id)
  const source = await ownTemplate(controller, principal.tenant, body)
  planSandbox(body, policy, principal.limits, ledger.templates(principal.tenant), source)
  const { external_user_id: _, ...spec } = body
  if (parseId(reference, 'spc') !== null) {
    const { id } = await findSpace(controller, principal, reference)
    return await changeSpec(controller, eq(space.id, id), spec)
  }
  const name = nameOf(reference)
  const ofUser = subject === null ? isNull(space.externalUser) : eq(space.externalUser, subject)
  const meant = and(eq(space.tenant, principal.tenant), eq(space.name, name), ofUser)
  return await database.db.transaction(async (tx) => {
    const { rows } = await tx.execute<{ standing: 'active' | 'key_revoked' | 'key_unknown' }>(
      sql`select standing_of_key(${principal.key}, ${principal.tenant}) as standing`,
    )
    requireStanding(rows[0]?.standing ?? 'key_unknown')
    // Who makes a space of this tenant waits here for whoever makes another one.
    await tx.execute(sql`select from tenant where id = ${principal.tenant} for no key update`)
    const [there] = await tx.select({ id: space.id }).from(space).where(meant)
    if (there !== undefined) return await changeSpec({ database: { db: tx } }, eq(space.id, there.id), spec)
    const count = await tx.$count(space, eq(space.tenant, principal.tenant))
    if (count >= LIMITS.spacesPerTenantMax)
      throw new AppError('account_limit', `A tenant has at most ${LIMITS.spacesPerTenantMax} spaces.`)
    const [made] = await tx
      .insert(space)
      .values(rowOf(controller, { tenant: principal.tenant, externalUser: subject, name, spec }))
      .returning()
    if (made === undefined) throw new Error('An insert gave no row.')
    return made
  })
}

/** What counts for its next sandbox; one that is open goes on as it is. */
async function changeSpec(
  { database }: { database: { db: Pick<Controller['database']['db'], 'update'> } },
  meant: ReturnType<typeof eq>,
  spec: SpaceBody,
): Promise<SpaceRow> {
  const [changed] = await database.db.update(space).set({ spec }).where(meant).returning()
  if (changed === undefined) throw new AppError('not_found', 'There is no such space.')
  return changed
}

function nameOf(reference: string): string {
  const read = spaceNameSchema.safeParse(reference)
  if (read.success) return read.data
  throw new AppError('invalid_request', 'This is no name for a space.', {
    details: { name: read.error.issues.map(({ message }) => message) },
  })
}

const rowOf = (
  { region, clock, random, instance }: Controller,
  facts: Pick<SpaceRow, 'tenant' | 'externalUser' | 'name' | 'spec'>,
) => ({
  ...facts,
  id: newId('spc', region.code, clock(), random(ID_BYTES)),
  state: 'frozen' as const,
  revision: 1,
  instance: instance.number,
  createdAt: sql`clock_timestamp()`,
  changedAt: sql`clock_timestamp()`,
})
