/** What a sandbox asks of the world, told as it is taken over from its host. */
import { setTimeout as sleep } from 'node:timers/promises'
import { and, asc, desc, eq, gt } from 'drizzle-orm'
import { parseId } from '../../../shared/ids.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Principal } from '../accounts/principal.ts'
import type { Controller } from '../controller.ts'
import type { Db } from '../database/connect.ts'
import { type AuditRow, egressAudit } from '../database/schema/egress.ts'
import { heldStream } from '../events/held-stream.ts'
import { drained } from '../events/keep-publishing.ts'
import type { ServerEvent } from '../http/event-stream.ts'
import { notACursor } from '../not-a-cursor.ts'
import { readSandbox } from '../sandboxes/find-sandbox.ts'
import { toAuditRecord } from './read-audit.ts'

export type AuditStream = { principal: Principal; sandbox: string; lastId: string | undefined; caller: AbortSignal }

type Subject = { tenant: string; sandbox: string }
const of = ({ tenant, sandbox }: Subject) => and(eq(egressAudit.tenant, tenant), eq(egressAudit.sandbox, sandbox))

/** From the entry after `lastId` on, or from now. Throws draining, stream_limit, and invalid_request for an id that is none of an entry. */
export async function openAudit(
  controller: Controller,
  { principal, sandbox, lastId, caller }: AuditStream,
): Promise<ReadableStream<Uint8Array>> {
  if (controller.isDraining()) throw drained()
  if (lastId !== undefined && parseId(lastId, 'aud') === null) throw notACursor()
  const from = lastId ?? (await newestOf(controller.database.db, { tenant: principal.tenant, sandbox }))
  const open = controller.events.streams.open(principal)
  return heldStream(open, caller, (until) =>
    followAudit(controller, { tenant: principal.tenant, sandbox }, from, until),
  )
}

async function* followAudit(
  controller: Controller,
  subject: Subject,
  from: string,
  until: AbortSignal,
): AsyncGenerator<ServerEvent> {
  const { db } = controller.database
  let place = from
  while (!until.aborted) {
    // Looked at first: what it did until it ended has to be told, too, as far as it has come.
    const isGone = (await readSandbox(db, subject.sandbox))?.state === 'destroyed'
    const rows = await after(db, subject, place)
    for (const row of rows) {
      yield { event: 'egress', id: row.id, data: { type: 'egress', ...toAuditRecord(row) } }
      place = row.id
    }
    if (rows.length > 0) continue
    if (isGone) return yield { event: 'end', data: { type: 'end', sandbox_id: subject.sandbox } }
    await sleep(LIMITS.egressCollectMs, undefined, { signal: until }).catch(() => {})
  }
  // The reader is gone, or this is what it should hear.
  if (until.reason instanceof Error) throw until.reason
}

/** Below every id when there is none. */
async function newestOf(db: Db, subject: Subject): Promise<string> {
  const [row] = await db
    .select({ id: egressAudit.id })
    .from(egressAudit)
    .where(of(subject))
    .orderBy(desc(egressAudit.id))
    .limit(1)
  return row?.id ?? ''
}

const after = (db: Db, subject: Subject, place: string): Promise<AuditRow[]> =>
  db
    .select()
    .from(egressAudit)
    .where(and(of(subject), gt(egressAudit.id, place)))
    .orderBy(asc(egressAudit.id))
    .limit(LIMITS.eventPageRows)
