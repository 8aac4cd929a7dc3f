/**
 * Writes an event that is no change of state. Under the lock of the sandbox's row, as the trigger on it writes those that are, so that
 * the events of one sandbox keep their order; and none comes after its end.
 */
import { sql } from 'drizzle-orm'
import type { Db } from '../database/connect.ts'
import { event } from '../database/schema/events.ts'
import { sandbox } from '../database/schema/sandboxes.ts'

/** Belongs into the transaction of what it tells. */
export async function tellEvent(
  db: Pick<Db, 'execute'>,
  sandboxId: string,
  type: string,
  data: Record<string, unknown>,
): Promise<void> {
  await db.execute(sql`
    with subject as (
      select id, tenant, external_user_id from ${sandbox}
      where id = ${sandboxId} and state <> 'destroyed' for no key update)
    insert into ${event} (sandbox, tenant, external_user, type, data, ts)
    select id, tenant, external_user_id, ${type}, ${JSON.stringify(data)}::jsonb, clock_timestamp() from subject`)
}
