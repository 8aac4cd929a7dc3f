/**
 * The one writer of a sandbox's state (besides the database functions that let one in: to be made, resumed, forked or kept).
 *
 * A move is one statement: it happens only from the states that the lifecycle allows for its event, and the trigger on the row
 * frees or takes the slot and the room and appends the event in the same transaction. Who comes second moves nothing.
 */
import { and, eq, inArray, isNull, type SQL, sql } from 'drizzle-orm'
import { ENDED, type LifecycleEvent, type SandboxState, sourcesOf, transition } from '../../../shared/lifecycle.ts'
import type { Db } from '../database/connect.ts'
import { prepared } from '../database/prepared.ts'
import { SANDBOX_COLUMNS, type SandboxRow, sandbox } from '../database/schema/sandboxes.ts'
import { failureReason } from './failure-reason.ts'

type Move = Exclude<LifecycleEvent, 'resume' | 'snapshot'>
export type Facts = {
  bootPath?: SandboxRow['bootPath']
  bootMs?: number | null
  expiresAt?: Date | null
  lastError?: string | null
  /** Only when the row has not changed since it was read. */
  revision?: number
  /** The controller that works on it from now on. */
  instance?: number
  /** Nothing of it is, or ever was, on its host: the room is free at once. */
  isGone?: boolean
}

const RUNNING = ['running', 'snapshotting'] satisfies SandboxState[]

const given = (name: keyof Facts, type: string): SQL => sql`${sql.placeholder(name)}::${sql.raw(type)}`

/** What each move writes besides the state. */
const WRITES: Record<Move, Record<string, SQL | null>> = {
  provision: {},
  ready: {
    bootPath: sql`coalesce(${given('bootPath', 'text')}, ${sandbox.bootPath})`,
    bootMs: sql`coalesce(${given('bootMs', 'integer')}, ${sandbox.bootMs})`,
    expiresAt: given('expiresAt', 'timestamptz'),
    startedAt: sql`clock_timestamp()`,
    readyAt: sql`coalesce(${sandbox.readyAt}, clock_timestamp())`,
  },
  // A sandbox that is not to be kept ends on time even while it is paused.
  pause: {
    expiresAt: sql`case when ${sandbox.persistent} then null else ${sandbox.expiresAt} end`,
    runtimeMs: runtime(),
  },
  restore: {
    runtimeMs: runtime(),
    instance: sql`coalesce(${given('instance', 'integer')}, ${sandbox.instance})`,
  },
  snapshotted: {},
  fail: { expiresAt: null, lastError: given('lastError', 'text'), releasedAt: released(), runtimeMs: runtime() },
  destroy: {
    expiresAt: null,
    destroyedAt: sql`clock_timestamp()`,
    releasedAt: released(),
    runtimeMs: runtime(),
  },
}

/** With what it ran since its last start, if it ran until now. */
function runtime(): SQL {
  return sql`case when ${inArray(sandbox.state, RUNNING)} then coalesce(${sandbox.runtimeMs}, 0)
    + greatest(0, extract(epoch from clock_timestamp() - ${sandbox.startedAt}) * 1000)::bigint else ${sandbox.runtimeMs} end`
}

function released(): SQL {
  return sql`case when ${given('isGone', 'boolean')} then coalesce(${sandbox.releasedAt}, clock_timestamp()) else ${sandbox.releasedAt} end`
}

const targetOf = (event: Move): SandboxState => {
  const [source] = sourcesOf(event)
  const verdict = source === undefined ? { kind: 'denied' as const } : transition(source, event)
  if (verdict.kind !== 'moved') throw new Error(`No state is left by ${event}.`)
  return verdict.to
}

const moveOf = prepared((db, event: Move) =>
  db
    .update(sandbox)
    .set({
      ...WRITES[event],
      state: targetOf(event),
      revision: sql`${sandbox.revision} + 1`,
      changedAt: sql`clock_timestamp()`,
    })
    .where(
      and(
        eq(sandbox.id, sql.placeholder('id')),
        inArray(sandbox.state, sourcesOf(event)),
        sql`(${given('revision', 'integer')} is null or ${sandbox.revision} = ${given('revision', 'integer')})`,
      ),
    )
    .returning(SANDBOX_COLUMNS)
    .prepare(`move_${event}`),
)

/** The row as it is now, or undefined when it was not, or no longer, in a state from which the event leads somewhere. */
export async function moveSandbox(db: Db, id: string, event: Move, facts: Facts = {}): Promise<SandboxRow | undefined> {
  const [row] = await moveOf(db, event).execute({
    id,
    bootPath: facts.bootPath ?? null,
    bootMs: facts.bootMs ?? null,
    expiresAt: facts.expiresAt ?? null,
    lastError: failureReason(facts.lastError ?? null),
    revision: facts.revision ?? null,
    instance: facts.instance ?? null,
    isGone: facts.isGone ?? false,
  })
  return row
}

/** The host has confirmed that nothing is left of it. Safe to repeat. */
export async function releaseRoom(db: Db, id: string): Promise<void> {
  await db
    .update(sandbox)
    .set({ releasedAt: sql`clock_timestamp()` })
    .where(and(eq(sandbox.id, id), inArray(sandbox.state, [...ENDED]), isNull(sandbox.releasedAt)))
}
