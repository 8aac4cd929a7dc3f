/**
 * Brings a sandbox's host to what is in force for it now. Its row is written first: what is in force under which revision, so that of several
 * who do this at once the one who read last wins, and a host that was away is found by its revision (reconcile/find-suspects.ts).
 */
import { and, eq, isNull } from 'drizzle-orm'
import { AppError } from '../../../shared/errors.ts'
import { LIVE } from '../../../shared/lifecycle.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Controller } from '../controller.ts'
import type { Db } from '../database/connect.ts'
import { type SandboxRow, sandbox } from '../database/schema/sandboxes.ts'
import { readSandbox } from '../sandboxes/find-sandbox.ts'
import { hostOf, isLost } from '../sandboxes/lose-sandbox.ts'
import { effectivePolicy } from './effective-policy.ts'
import { forHost, markOf } from './host-policy.ts'
import { readBook } from './read-book.ts'

/** Never what is in force, so that it is told anew. */
const UNKNOWN = 'unknown'

/**
 * `seen` is the revision that its host has said. Safe to repeat, at any time. Throws when its host could not be told; then the reconciler
 * does it.
 */
export async function settleEgress(controller: Controller, id: string, seen: number = 0): Promise<void> {
  let atLeast = seen
  for (let tries = 0; tries < LIMITS.changeTriesMax; tries++) {
    const row = await readSandbox(controller.database.db, id)
    if (row === undefined || !isToBeTold(row)) return
    if ((row.egressRevision ?? 0) < atLeast) {
      // A database that was restored has forgotten what the host was told since; and a host goes by no revision that is older.
      await write(controller.database.db, row, { revision: atLeast, mark: UNKNOWN, version: 0 })
      continue
    }
    const told = await settleRow(controller, row)
    if (told === 'settled') return
    if (told !== 'overtaken') atLeast = told.revision
  }
  throw new AppError('state_conflict', 'Where this sandbox may go is changed all the time.', { retryAfterSec: 1 })
}

/** One that is being made is told by whoever makes it, or by the next look after that. */
const isToBeTold = ({ state }: SandboxRow): boolean =>
  LIVE.has(state) && state !== 'creating' && state !== 'provisioning'

async function settleRow(
  controller: Controller,
  row: SandboxRow,
): Promise<'settled' | 'overtaken' | { revision: number }> {
  const { accounts, database, egress, clock } = controller
  const book = await readBook(database.db, row.tenant, row.id)
  const effective = effectivePolicy(row, book, egress, clock())
  const mark = markOf(effective)
  const revision = mark === row.egressMark ? row.egressRevision : (row.egressRevision ?? 0) + 1
  if (!(await write(database.db, row, { revision, mark, version: book.version }))) return 'overtaken'
  if (revision === null) return 'settled'
  const policy = forHost(accounts.secrets, effective)
  const answer = await hostOf(controller, row).setEgress(row.id, { revision, policy })
  // What has ended has no way out to be told of; that it has ended is found by others.
  if (answer.kind !== 'done' && !isLost(answer)) throw answer.error
  return answer.kind !== 'done' || answer.value.revision <= revision ? 'settled' : answer.value
}

/** Only over the row that the decision was made from. */
async function write(
  db: Db,
  { id, egressRevision }: Pick<SandboxRow, 'id' | 'egressRevision'>,
  { revision, mark, version }: { revision: number | null; mark: string | null; version: number },
): Promise<boolean> {
  const { rowCount } = await db
    .update(sandbox)
    .set({ egressRevision: revision, egressMark: mark, egressVersion: version })
    .where(
      and(
        eq(sandbox.id, id),
        egressRevision === null ? isNull(sandbox.egressRevision) : eq(sandbox.egressRevision, egressRevision),
        isNull(sandbox.releasedAt),
      ),
    )
  return (rowCount ?? 0) > 0
}
