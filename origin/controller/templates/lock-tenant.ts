/** Whoever changes the templates of a tenant waits here for whoever else does: their counts and their keys are exact then. */
import { sql } from 'drizzle-orm'
import { type KeyStanding, type Principal, requireStanding } from '../accounts/principal.ts'
import type { Db } from '../database/connect.ts'

/** Throws what a key hears that may do nothing any more. */
export async function lockTenant(
  tx: Pick<Db, 'execute'>,
  { key, tenant }: Pick<Principal, 'key' | 'tenant'>,
): Promise<void> {
  const { rows } = await tx.execute<{ standing: KeyStanding }>(
    sql`select standing_of_key(${key}, ${tenant}) as standing from tenant where id = ${tenant} for no key update`,
  )
  requireStanding(rows[0]?.standing ?? 'key_unknown')
}
