/**
 * Changes a sandbox as it is called, labelled and timed.
 *
 * The row is written first, then its host is told. A crash between the two leaves the host with the end that was acknowledged before;
 * the reconciler tells it the new one. Each new end is a new revision of the row, so that nobody who judged the old one stops it.
 */
import { and, eq, ne, sql } from 'drizzle-orm'
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Principal } from '../accounts/principal.ts'
import type { Controller } from '../controller.ts'
import type { Db } from '../database/connect.ts'
import { isUniqueViolation } from '../database/is-unique-violation.ts'
import { SANDBOX_COLUMNS, type SandboxRow, sandbox } from '../database/schema/sandboxes.ts'
import { deadlinesOf } from './deadlines.ts'
import { findForChange, notFound, readSandbox } from './find-sandbox.ts'
import { hostOf, isLost, loseSandbox } from './lose-sandbox.ts'
import { moveSandbox } from './move-sandbox.ts'
import { type Change, hasClock } from './plan-change.ts'

/** `plan` decides from the row, again whenever another request changed the row first. */
export async function changeSandbox(
  controller: Controller,
  principal: Principal,
  reference: string,
  plan: (row: SandboxRow) => Change,
): Promise<SandboxRow> {
  const { db } = controller.database
  const found = await findForChange(db, principal, reference, controller.region.code)
  let row: SandboxRow | undefined = found
  for (let tries = 0; tries < LIMITS.changeTriesMax && row !== undefined; tries++) {
    const change = plan(row)
    if (Object.keys(change.set).length === 0) return row
    const changed = await write(db, row, change)
    if (changed !== undefined) return change.isTimed && hasClock(changed) ? tellHost(controller, changed) : changed
    row = await readSandbox(db, found.id)
  }
  if (row === undefined) throw notFound()
  throw overtaken()
}

/** Undefined when the row is not what the change was decided from. */
async function write(db: Db, row: SandboxRow, { set, isTimed }: Change): Promise<SandboxRow | undefined> {
  const timed = { revision: sql`${sandbox.revision} + 1`, changedAt: sql`clock_timestamp()` }
  try {
    const [changed] = await db
      .update(sandbox)
      .set({ ...set, ...(isTimed ? timed : {}) })
      .where(
        and(
          eq(sandbox.id, row.id),
          ne(sandbox.state, 'destroyed'),
          isTimed ? eq(sandbox.revision, row.revision) : undefined,
          set.metadata === undefined ? undefined : eq(sandbox.metadata, row.metadata),
        ),
      )
      .returning(SANDBOX_COLUMNS)
    return changed
  } catch (thrown) {
    if (!isUniqueViolation(thrown, 'sandbox_name')) throw thrown
    throw new AppError('name_taken', `A sandbox named ${JSON.stringify(set.name)} exists already.`)
  }
}

/** Says it again until nothing has changed since: of two who change the same sandbox, the later row must not be undone by the earlier call. */
async function tellHost(controller: Controller, changed: SandboxRow): Promise<SandboxRow> {
  let row = changed
  for (let tries = 0; tries < LIMITS.changeTriesMax; tries++) {
    const answer = await hostOf(controller, row).setDeadlines(row.id, deadlinesOf(row))
    if (answer.kind !== 'done') throw isLost(answer) ? await loseSandbox(controller, row, answer) : answer.error
    if (row.state === 'running' && answer.value.state === 'paused') {
      await moveSandbox(controller.database.db, row.id, 'pause', { revision: row.revision })
      throw new AppError(
        'sandbox_not_running',
        'The sandbox was paused before its end could be moved; it gets its whole timeout when it is resumed.',
      )
    }
    const now = await readSandbox(controller.database.db, row.id)
    if (now === undefined || now.state === 'destroyed') throw notFound()
    if (now.revision === row.revision || !hasClock(now)) return now
    row = now
  }
  throw overtaken()
}

const overtaken = (): AppError =>
  new AppError('state_conflict', 'Other requests change this sandbox all the time.', { retryAfterSec: 1 })
