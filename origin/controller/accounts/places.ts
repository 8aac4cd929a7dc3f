/** How far each reader of the accounts has come, by name. 0 is the beginning. */
import { eq } from 'drizzle-orm'
import type { Db } from '../database/connect.ts'
import { accountReader } from '../database/schema/accounts.ts'

/**
 * `home`: what this region has taken over from its home. `home_floor`: the home's floor that it has gone by.
 * `edge`: what the home has told the edge. `floor`: the version from which on the home tells everything anew.
 * `egress`: what all sandboxes of this region go by in where they may go.
 */
export type Reader = 'home' | 'home_floor' | 'edge' | 'floor' | 'egress'

export async function readPlace(db: Pick<Db, 'select'>, name: Reader): Promise<number> {
  const [row] = await db.select().from(accountReader).where(eq(accountReader.name, name))
  return row?.version ?? 0
}

export async function writePlace(db: Pick<Db, 'insert'>, name: Reader, version: number): Promise<void> {
  await db
    .insert(accountReader)
    .values({ name, version })
    .onConflictDoUpdate({ target: accountReader.name, set: { version } })
}
