/** The one writer of a space's state: one statement, which moves it only from the revision that its mover has seen. */
import { and, eq, inArray, sql } from 'drizzle-orm'
import type { Db } from '../database/connect.ts'
import { type SpaceRow, space } from '../database/schema/spaces.ts'
import { failureReason } from '../sandboxes/failure-reason.ts'
import { nextSpaceState, type SpaceEvent, spaceSourcesOf } from './space-life.ts'

type Facts = Partial<
  Pick<SpaceRow, 'instance' | 'sandbox' | 'snapshot' | 'nextSnapshot' | 'lastError' | 'openedAt' | 'frozenAt'>
>

/** Undefined when it is not what its mover has seen any more. */
export async function moveSpace(
  db: Pick<Db, 'update'>,
  seen: Pick<SpaceRow, 'id' | 'state' | 'revision'>,
  event: SpaceEvent,
  facts: Facts = {},
): Promise<SpaceRow | undefined> {
  const state = nextSpaceState(seen.state, event)
  if (state === undefined) return undefined
  const reason = facts.lastError === undefined ? {} : { lastError: failureReason(facts.lastError) }
  const [moved] = await db
    .update(space)
    .set({ ...facts, ...reason, state, revision: sql`${space.revision} + 1`, changedAt: sql`clock_timestamp()` })
    .where(and(eq(space.id, seen.id), eq(space.revision, seen.revision), inArray(space.state, spaceSourcesOf(event))))
    .returning()
  return moved
}
