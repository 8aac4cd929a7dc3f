/**
 * What was done by a step is kept as a snapshot, under the key of the step, and the next build that does the same goes on from there. A key is
 * written before its snapshot is taken, so that nothing is kept that nobody knows of; it counts when the snapshot is ready.
 */
import { and, eq, inArray, sql } from 'drizzle-orm'
import type { Controller } from '../../controller.ts'
import type { SandboxRow } from '../../database/schema/sandboxes.ts'
import { type SnapshotRow, snapshot } from '../../database/schema/snapshots.ts'
import { templateStep } from '../../database/schema/templates.ts'
import { describeError } from '../../log.ts'
import { readSandbox } from '../../sandboxes/find-sandbox.ts'
import { forgetSnapshot, markDeleting } from '../../snapshots/discard-snapshot.ts'
import { newSnapshotId, takeSnapshot } from '../../snapshots/take-snapshot.ts'
import type { PlannedStep } from './plan-steps.ts'
import { Interrupted } from './trouble.ts'
import type { Work } from './work.ts'

export type Kept = { step: PlannedStep; snapshot: SnapshotRow }

/** The furthest step that is kept on a host that takes sandboxes now. */
export async function findKept(
  { database: { db }, ledger }: Controller,
  tenant: string,
  steps: readonly PlannedStep[],
): Promise<Kept | undefined> {
  if (steps.length === 0) return undefined
  const keys = steps.map(({ key }) => key)
  const here = new Set(ledger.offers().map(({ host }) => host))
  const rows = await db
    .select({ key: templateStep.key, snapshot })
    .from(templateStep)
    .innerJoin(snapshot, and(eq(snapshot.id, templateStep.snapshot), eq(snapshot.state, 'ready')))
    .where(and(eq(templateStep.tenant, tenant), inArray(templateStep.key, keys)))
  const byKey = new Map(rows.filter((row) => here.has(row.snapshot.host)).map((row) => [row.key, row.snapshot]))
  const step = steps.findLast(({ key }) => byKey.has(key))
  const found = step === undefined ? undefined : byKey.get(step.key)
  if (step === undefined || found === undefined) return undefined
  await db
    .update(templateStep)
    .set({ usedAt: sql`clock_timestamp()` })
    .where(and(eq(templateStep.tenant, tenant), eq(templateStep.key, step.key)))
  return { step, snapshot: found }
}

/** A step that cannot be kept costs the next build time, and this one nothing. Throws Interrupted when the sandbox itself is lost. */
export async function keepStep(work: Work, sandbox: SandboxRow, step: PlannedStep): Promise<void> {
  const { controller, log, row } = work
  const { db } = controller.database
  const id = newSnapshotId(controller)
  const place = { tenant: row.tenant, key: step.key }
  for (const before of await replace(controller, place, id)) await forgetSnapshot(controller, before)
  try {
    await takeSnapshot(controller, sandbox, { id, comment: null, owner: row.id })
  } catch (thrown) {
    await forgetKept(controller, { ...place, snapshot: id })
    if ((await readSandbox(db, sandbox.id))?.state !== 'running')
      throw new Interrupted('The sandbox was lost while a step was kept.', { cause: thrown })
    log.add('system', step.index, ['The step could not be kept; the next build does it again.'])
    controller.log('warn', 'build.step_not_kept', { build: row.id, error: describeError(thrown) })
  }
}

/** What had the key before, to be forgotten. */
const replace = (
  { database }: Controller,
  { tenant, key }: { tenant: string; key: string },
  id: string,
): Promise<{ id: string; host: string }[]> =>
  database.db.transaction(async (tx) => {
    const here = and(eq(templateStep.tenant, tenant), eq(templateStep.key, key))
    const [before] = await tx.select({ snapshot: templateStep.snapshot }).from(templateStep).where(here).for('update')
    const written = { snapshot: id, usedAt: sql`clock_timestamp()` }
    await tx
      .insert(templateStep)
      .values({ tenant, key, ...written })
      .onConflictDoUpdate({ target: [templateStep.tenant, templateStep.key], set: written })
    return before === undefined ? [] : markDeleting(tx, [before.snapshot])
  })

/** The key and its snapshot go together: what is named by nothing would be kept for ever. */
export async function forgetKept(
  controller: Controller,
  { tenant, key, snapshot: id }: { tenant: string; key: string; snapshot: string },
): Promise<void> {
  const marked = await controller.database.db.transaction(async (tx) => {
    await tx
      .delete(templateStep)
      .where(and(eq(templateStep.tenant, tenant), eq(templateStep.key, key), eq(templateStep.snapshot, id)))
    return markDeleting(tx, [id])
  })
  for (const one of marked) await forgetSnapshot(controller, one)
}
