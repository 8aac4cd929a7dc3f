/** The one writer of a build: one statement, which moves it, or notes something of it, only from the revision that its mover has seen. */
import { and, eq, sql } from 'drizzle-orm'
import type { Db } from '../../database/connect.ts'
import { type BuildRow, templateBuild } from '../../database/schema/templates.ts'
import { type BuildEvent, isEnded, nextBuildState } from './build-life.ts'

type Facts = Partial<
  Pick<BuildRow, 'instance' | 'attempts' | 'version' | 'steps' | 'error' | 'sandbox' | 'snapshot' | 'startedAt'>
>
type Seen = Pick<BuildRow, 'id' | 'state' | 'revision'>

/** Undefined when it is not what its mover has seen any more, or the event leads nowhere from there. */
export async function moveBuild(
  db: Pick<Db, 'update'>,
  seen: Seen,
  event: BuildEvent,
  facts: Facts = {},
): Promise<BuildRow | undefined> {
  const state = nextBuildState(seen.state, event)
  if (state === undefined) return undefined
  const finishedAt = isEnded(state) ? { finishedAt: sql`clock_timestamp()` } : {}
  return write(db, seen, { ...facts, ...finishedAt, state })
}

/** The state stays. Undefined when it is not what was seen any more. */
export const noteBuild = (db: Pick<Db, 'update'>, seen: Seen, facts: Facts): Promise<BuildRow | undefined> =>
  write(db, seen, facts)

type Written = Facts & { state?: BuildRow['state']; finishedAt?: ReturnType<typeof sql> }

async function write(db: Pick<Db, 'update'>, seen: Seen, written: Written): Promise<BuildRow | undefined> {
  const [row] = await db
    .update(templateBuild)
    .set({ ...written, revision: sql`${templateBuild.revision} + 1`, changedAt: sql`clock_timestamp()` })
    .where(and(eq(templateBuild.id, seen.id), eq(templateBuild.revision, seen.revision)))
    .returning()
  return row
}
