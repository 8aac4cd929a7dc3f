/** The floor of an admission: one durable insert of a row of its size by a prepared statement, on the same server, as often at once. */
import { randomUUID } from 'node:crypto'
import pg from 'pg'
import type { AdmissionStage } from './admission-stage.ts'
import { type Tail, tailOf } from './tail.ts'

const ROW = 'x'.repeat(200)
const BATCHES = 5

export async function measureFloor(
  { controller }: AdmissionStage,
  samples: number,
  concurrency: number,
): Promise<Tail> {
  await controller.sql('create table bench_floor (id text primary key, body text not null)')
  const pool = new pg.Pool({ connectionString: controller.databaseUrl, max: concurrency })
  const batches: number[][] = []
  for (let batch = 0; batch < BATCHES; batch++) {
    const some: number[] = []
    let begun = 0
    const worker = async (): Promise<void> => {
      while (begun++ < samples / BATCHES) {
        const from = performance.now()
        await pool.query({
          name: 'floor',
          text: 'insert into bench_floor values ($1, $2)',
          values: [randomUUID(), ROW],
        })
        some.push(performance.now() - from)
      }
    }
    await Promise.all(Array.from({ length: concurrency }, worker))
    batches.push(some)
  }
  await pool.end()
  await controller.sql('drop table bench_floor')
  return tailOf(batches)
}
