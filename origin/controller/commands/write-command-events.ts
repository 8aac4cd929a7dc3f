/** Writes events of commands, many at a time. As tell-event.ts does: under the locks of their sandboxes' rows, and none after an end. */
import { sql } from 'drizzle-orm'
import type { Db } from '../database/connect.ts'
import { event } from '../database/schema/events.ts'
import { sandbox } from '../database/schema/sandboxes.ts'

export type CommandEvent = {
  sandbox: string
  type: 'sandbox.exec.started' | 'sandbox.exec.completed'
  data: Record<string, string | number | null>
  ts: string
}

/** The rows are locked in the order of their ids, as everybody locks several; the events are numbered in their own. */
export async function writeCommandEvents(db: Pick<Db, 'execute'>, events: readonly CommandEvent[]): Promise<void> {
  await db.execute(sql`
    with told as materialized (
      select * from rows from (
        jsonb_to_recordset(${JSON.stringify(events)}::jsonb) as (sandbox text, type text, data jsonb, ts timestamptz)
      ) with ordinality as of(sandbox, type, data, ts, place)),
    subject as materialized (
      select id, tenant, external_user_id from ${sandbox}
      where id in (select sandbox from told) and state <> 'destroyed' order by id for no key update)
    insert into ${event} (sandbox, tenant, external_user, type, data, ts)
    select subject.id, subject.tenant, subject.external_user_id, told.type, told.data, told.ts
    from told join subject on subject.id = told.sandbox order by told.place`)
}
