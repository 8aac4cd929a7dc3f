/** The moment before a look, by the clock that every row is stamped with. */
import type { Controller } from '../controller.ts'

export async function databaseTime({ database }: Pick<Controller, 'database'>): Promise<number> {
  const { rows } = await database.pool.query<{ now: Date }>('select clock_timestamp() as now')
  return rows[0]?.now.getTime() ?? 0
}
