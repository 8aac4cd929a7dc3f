/** Create, run and destroy, many at once, through the edge: what a busy user sees when the pool cannot keep up. */
import { apiAt, output, record } from '../harness/api.ts'
import { COMMAND } from './floor.ts'
import { type Quantiles, quantilesOf } from './quantiles.ts'

export type Lifecycles = {
  asked: number
  succeeded: number
  concurrency: number
  elapsedMs: number
  run: Quantiles
  bootPaths: Record<string, number>
  /** What went wrong, by error code. */
  failures: Record<string, number>
}

export async function measureLifecycles(
  edge: string,
  apiKey: string,
  asked: number,
  concurrency: number,
): Promise<Lifecycles> {
  const api = apiAt(edge, apiKey)
  const runs: number[] = []
  const bootPaths: Record<string, number> = {}
  const failures: Record<string, number> = {}
  const count = (into: Record<string, number>, what: string): void => {
    into[what] = (into[what] ?? 0) + 1
  }
  let begun = 0
  const worker = async (): Promise<void> => {
    while (begun++ < asked) {
      const answer = await api('/v1/sandboxes/run', { body: { command: COMMAND } })
      if (answer.status !== 201 || output(answer).stdout !== '2\n') {
        count(failures, answer.body.error?.code ?? `status ${answer.status}`)
        continue
      }
      runs.push(answer.ms)
      count(bootPaths, String(record(answer).boot_path))
      const gone = await api(`/v1/sandboxes/${record(answer).id}`, { method: 'DELETE' })
      if (gone.status !== 204) count(failures, `destroy ${gone.status}`)
    }
  }
  const began = performance.now()
  await Promise.all(Array.from({ length: concurrency }, worker))
  const elapsedMs = performance.now() - began
  const failed = Object.values(failures).reduce((sum, one) => sum + one, 0)
  return { asked, succeeded: asked - failed, concurrency, elapsedMs, run: quantilesOf(runs), bootPaths, failures }
}
