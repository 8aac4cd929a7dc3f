/** Events of a sandbox that are not changes of its state. Those are written by the trigger on its row. */
import { sql } from 'drizzle-orm'
import type { Db } from '../database/connect.ts'

/** Only under the lock of the sandbox's row, so that its events are seen in the order in which they were written. */
export async function tellOf(
  tx: Pick<Db, 'execute'>,
  sandboxId: string,
  type: 'sandbox.snapshot.ready' | 'sandbox.merged',
  facts: Record<string, string>,
): Promise<void> {
  await tx.execute(sql`
    insert into event (sandbox, tenant, external_user, type, data, ts)
    select id, tenant, external_user_id, ${type}::text,
      jsonb_build_object('state', state, 'revision', revision) || ${JSON.stringify(facts)}::jsonb, clock_timestamp()
    from sandbox where id = ${sandboxId}`)
}
