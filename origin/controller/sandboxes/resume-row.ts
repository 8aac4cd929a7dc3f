/** A paused sandbox takes a slot again, or is refused as a create would be. One round trip. */
import { sql } from 'drizzle-orm'
import * as z from 'zod'
import { sourcesOf } from '../../../shared/lifecycle.ts'
import type { Db } from '../database/connect.ts'

const verdictSchema = z.object({ verdict: z.enum(['resumed', 'elsewhere', 'concurrency_limit', 'external_limit']) })
export type ResumeVerdict = z.infer<typeof verdictSchema>['verdict']

/** `elsewhere`: it is not paused. `externalMax` is the bound of the key that asks on its user's sandboxes. */
export async function resumeRow(
  db: Pick<Db, 'execute'>,
  id: string,
  instance: number,
  externalMax: number | null,
): Promise<ResumeVerdict> {
  const sources = sql.param(sourcesOf('resume'))
  const { rows } = await db.execute<{ verdict: unknown }>(
    sql`select resume_sandbox(${id}, ${sources}::text[], ${instance}, ${externalMax}) as verdict`,
  )
  return verdictSchema.parse(rows[0]?.verdict).verdict
}
