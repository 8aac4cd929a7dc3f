/** Creates, each followed by its destroy so that the region stays as full as it is, and what they took of time and of processor. */
import { Pool } from 'undici'
import type { SeededTenant } from '../../integration/controller/support/seed-tenants.ts'
import type { AdmissionStage } from './admission-stage.ts'
import { cpuMsOf, cpuMsOfTree } from './cpu-time.ts'
import { type Tail, tailOf } from './tail.ts'

export type Creates = {
  /** Of the one statement that admits, as the controller says in Server-Timing. */
  admit: Tail
  create: Tail
  perSecond: number
  /** Of one create and one destroy. */
  controllerCpuMs: number
  databaseCpuMs: number
}

/** The 99th percentile of a batch hangs on its few slowest; the median over batches is the region's and not the machine's. */
const BATCHES = 10

export async function measureCreates(
  { controller }: AdmissionStage,
  tenants: SeededTenant[],
  samples: number,
  concurrency: number,
): Promise<Creates> {
  const pool = new Pool(controller.url, { connections: concurrency })
  const seen: { admit: number; create: number }[][] = []
  const before = cpuNow(controller)
  const began = performance.now()
  for (let batch = 0; batch < BATCHES; batch++) {
    const some: { admit: number; create: number }[] = []
    let begun = 0
    const worker = async (_: unknown, n: number): Promise<void> => {
      while (begun++ < samples / BATCHES) some.push(await liveOnce(pool, tenants[(begun + n) % tenants.length]))
    }
    await Promise.all(Array.from({ length: concurrency }, worker))
    seen.push(some)
  }
  const elapsedMs = performance.now() - began
  const after = cpuNow(controller)
  await pool.close()
  const count = seen.flat().length
  return {
    admit: tailOf(seen.map((batch) => batch.map(({ admit }) => admit))),
    create: tailOf(seen.map((batch) => batch.map(({ create }) => create))),
    perSecond: (count / elapsedMs) * 1_000,
    controllerCpuMs: (after.controller - before.controller) / count,
    databaseCpuMs: (after.database - before.database) / count,
  }
}

async function liveOnce(pool: Pool, tenant: SeededTenant | undefined): Promise<{ admit: number; create: number }> {
  const headers = { authorization: `Bearer ${tenant?.key}`, 'content-type': 'application/json' }
  const began = performance.now()
  const made = await pool.request({ method: 'POST', path: '/v1/sandboxes', headers, body: '{}' })
  const { data } = (await made.body.json()) as { data?: { id: string } }
  const create = performance.now() - began
  if (data === undefined) throw new Error(`A create was answered with ${made.statusCode}.`)
  const gone = await pool.request({ method: 'DELETE', path: `/v1/sandboxes/${data.id}`, headers })
  await gone.body.dump()
  if (gone.statusCode !== 204) throw new Error(`A destroy was answered with ${gone.statusCode}.`)
  return { admit: admitOf(String(made.headers['server-timing'])), create }
}

const admitOf = (serverTiming: string): number => Number(/admit;dur=([\d.]+)/.exec(serverTiming)?.[1])

const cpuNow = ({ pid, databasePid }: AdmissionStage['controller']) => ({
  controller: cpuMsOf(pid),
  database: cpuMsOfTree(databasePid),
})
