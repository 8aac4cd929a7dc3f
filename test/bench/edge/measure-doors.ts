/** The same requests through several doors, in turn and in small batches, so that what disturbs the machine disturbs all of them. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Pool } from 'undici'
import { type Quantiles, quantilesOf } from '../quantiles.ts'

export type Door = { name: string; url: string }
export type Load = {
  name: string
  method: 'GET' | 'POST'
  path: string
  body?: string
  headers: Record<string, string>
  expects: number
}
/** `pauseMs` is how long a client waits on average before it asks again; 0 keeps everything busy, on a small machine all of its cores. */
export type Crowd = { clients: number; pauseMs: number }
export type Measured = { door: string; load: string; crowd: Crowd; latency: Quantiles; perSecond: number }

const BATCH = 100
const WARM_UP = 300

/** Throws when an answer is not the expected one: a refusal is quick, and would make a door look good. */
export async function measureDoors(
  doors: readonly Door[],
  load: Load,
  crowd: Crowd,
  samples: number,
): Promise<Measured[]> {
  const open = doors.map((door) => ({
    door,
    pool: new Pool(door.url, { connections: crowd.clients }),
    ms: [] as number[],
    elapsedMs: 0,
  }))
  for (const { pool } of open) await batch(pool, load, { ...crowd, pauseMs: 0 }, WARM_UP)
  for (let round = 0; round < Math.ceil(samples / BATCH); round++) {
    for (const one of open) {
      const began = performance.now()
      one.ms.push(...(await batch(one.pool, load, crowd, BATCH)))
      one.elapsedMs += performance.now() - began
    }
  }
  await Promise.all(open.map(({ pool }) => pool.close()))
  return open.map(({ door, ms, elapsedMs }) => ({
    door: door.name,
    load: load.name,
    crowd,
    latency: quantilesOf(ms),
    perSecond: (ms.length / elapsedMs) * 1_000,
  }))
}

async function batch(pool: Pool, load: Load, { clients, pauseMs }: Crowd, count: number): Promise<number[]> {
  const ms: number[] = []
  let begun = 0
  const worker = async (): Promise<void> => {
    while (begun++ < count) {
      ms.push(await timeOne(pool, load))
      if (pauseMs > 0) await sleep(2 * pauseMs * Math.random())
    }
  }
  await Promise.all(Array.from({ length: clients }, worker))
  return ms
}

async function timeOne(pool: Pool, { method, path, body, headers, expects }: Load): Promise<number> {
  const began = performance.now()
  const answer = await pool.request({ method, path, headers, ...(body === undefined ? {} : { body }) })
  const text = await answer.body.text()
  if (answer.statusCode !== expects)
    throw new Error(`${method} ${path} was answered with ${answer.statusCode}: ${text}`)
  return performance.now() - began
}
