/** A hot command at a region, beside the same command as its host alone passes it to the agent: turn by turn, so that both meet the same noise. */
import { shell } from '../../integration/hostd/requests.ts'
import { COMMAND } from '../floor.ts'
import { type Quantiles, quantilesOf } from '../quantiles.ts'
import { eventsOf, NDJSON, type Stage } from './stage.ts'

export type ExecTimes = {
  /** By the daemon's own socket. */
  host: Quantiles
  region: Quantiles
  /** The same as a stream, to its end. */
  stream: Quantiles
  /** What the agent says that the process took, from its start to its end. */
  process: Quantiles
}

/** As of code: a hot command is one of many, and not among the first that a daemon has served. */
const WARM_UPS = 100

export async function measureExec(stage: Stage, samples: number): Promise<ExecTimes> {
  const times = { host: [] as number[], region: [] as number[], stream: [] as number[], process: [] as number[] }
  for (let sample = -WARM_UPS; sample < samples; sample++) {
    const took = {
      host: await timed(() => stage.daemon.stream(`/v1/vms/${stage.sandbox}/exec`, shell(COMMAND))),
      region: await timed(async () => {
        const { data } = (await (await stage.send('/exec', { command: COMMAND })).body.json()) as Said
        times.process.push(data.duration_ms)
      }),
      stream: await timed(async () => {
        for await (const _ of eventsOf(await stage.send('/exec/stream', { command: COMMAND }, NDJSON)));
      }),
    }
    if (sample < 0) continue
    times.host.push(took.host)
    times.region.push(took.region)
    times.stream.push(took.stream)
  }
  return {
    host: quantilesOf(times.host),
    region: quantilesOf(times.region),
    stream: quantilesOf(times.stream),
    process: quantilesOf(times.process.slice(WARM_UPS)),
  }
}

type Said = { data: { duration_ms: number } }

async function timed(deed: () => Promise<unknown>): Promise<number> {
  const beganMs = performance.now()
  await deed()
  return performance.now() - beganMs
}
