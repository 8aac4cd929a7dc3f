/**
 * What a host no longer has when it is heard of again ended while it was away, and is paid for until it was heard of before: the meter
 * looks at this moment for as long as it stands in the host's row. What is still there goes on as if nothing had been.
 */
import { and, eq } from 'drizzle-orm'
import type { Controller } from '../controller.ts'
import { host } from '../database/schema/hosts.ts'

type Named = { name: string }

export async function readAbsence({ database: { db } }: Controller, { name }: Named): Promise<Date | null> {
  const [row] = await db.select({ awayFrom: host.awayFrom }).from(host).where(eq(host.id, name))
  return row?.awayFrom ?? null
}

/** Once all that ended meanwhile is written down. */
export async function forgetAbsence({ database: { db } }: Controller, { name }: Named, awayFrom: Date): Promise<void> {
  await db
    .update(host)
    .set({ awayFrom: null })
    .where(and(eq(host.id, name), eq(host.awayFrom, awayFrom)))
}
