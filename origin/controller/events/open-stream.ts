/** Opens a stream of events: what may be seen, from where on, and until when. */
import { and, desc, eq, ne, sql } from 'drizzle-orm'
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Principal } from '../accounts/principal.ts'
import type { Controller } from '../controller.ts'
import type { Db } from '../database/connect.ts'
import { type SandboxRow, sandbox } from '../database/schema/sandboxes.ts'
import type { StreamItem } from '../http/event-stream.ts'
import { notFound, parseReference, within } from '../sandboxes/find-sandbox.ts'
import { followEvents, tellRest } from './follow-events.ts'
import { heldStream } from './held-stream.ts'
import { drained } from './keep-publishing.ts'
import { publishAll } from './publish.ts'
import { type EventFilter, isKept, newestPosition } from './read-events.ts'

export type StreamRequest = {
  principal: Principal
  /** A sandbox by id or name, or null for all. */
  reference: string | null
  types: readonly string[] | null
  /** The id after which to go on, or null for now. */
  lastId: string | null
  caller: AbortSignal
}

export async function openStream(controller: Controller, request: StreamRequest): Promise<ReadableStream<Uint8Array>> {
  const { database, events, region, clock, isDraining } = controller
  const { principal, lastId, caller } = request
  if (isDraining()) throw drained()
  const subject = request.reference === null ? null : await findSubject(controller, principal, request.reference)
  const from = lastId === null ? await placeOfNow(controller) : await placeOf(controller, lastId)
  const filter: EventFilter = {
    tenant: principal.tenant,
    externalUser: principal.externalUser,
    sandbox: subject?.id ?? principal.sandbox,
    types: request.types,
  }
  const stream = events.streams.open(principal)
  try {
    await events.tail.join()
  } catch (thrown) {
    stream.close()
    throw thrown
  }
  const close = once(() => {
    events.tail.leave()
    stream.close()
  })
  const followed = { db: database.db, tail: events.tail, ids: events.ids, region: region.code, clock }
  const source = (until: AbortSignal): AsyncIterable<StreamItem> =>
    subject?.state === 'destroyed' ? tellRest(followed, filter, from) : followEvents(followed, filter, from, until)

  return heldStream({ signal: stream.signal, close }, caller, source)
}

function once(work: () => void): () => void {
  let isDone = false
  return () => {
    if (!isDone) work()
    isDone = true
  }
}

/** Everything that had happened when it was asked lies before it. */
export async function placeOfNow(controller: Controller): Promise<number> {
  await publishAll(controller)
  return await newestPosition(controller.database.db)
}

/** Throws invalid_request for what is no id of ours, and events_forgotten when what came after it may not all be there any more. */
export async function placeOf({ database, events }: Controller, id: string): Promise<number> {
  const position = events.ids.positionOf(id)
  if (!(await isKept(database.db, position)))
    throw new AppError(
      'events_forgotten',
      `Events are kept for ${LIMITS.eventRetentionMs / 86_400_000} days, and this id is older.`,
    )
  return position
}

/** A sandbox within reach, destroyed ones included: their last events may still be wanted. */
export async function findSubject(
  { database: { db }, region }: Controller,
  principal: Principal,
  reference: string,
): Promise<Pick<SandboxRow, 'id' | 'state'>> {
  const named = parseReference(reference, region.code)
  return 'id' in named
    ? await oneWith(db, principal, eq(sandbox.id, named.id))
    : await namedOne(db, principal, named.name)
}

const namedOne = (db: Db, principal: Principal, name: string) =>
  oneWith(db, principal, and(eq(sandbox.name, name), ne(sandbox.state, 'destroyed')))

async function oneWith(
  db: Db,
  principal: Principal,
  condition: ReturnType<typeof and>,
): Promise<Pick<SandboxRow, 'id' | 'state'>> {
  const [row] = await db
    .select({ id: sandbox.id, state: sandbox.state })
    .from(sandbox)
    .where(and(...within(principal), condition))
    .orderBy(sql`${sandbox.state} = 'error'`, desc(sandbox.id))
    .limit(1)
  if (row === undefined) throw notFound()
  return row
}
