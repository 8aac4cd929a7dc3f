/**
 * `POST /v1/sandboxes/run` as a caller sees it: at a region's own URL, through the edge, and the host's floor of it, in turn
 * and with the same pauses, so that all three meet the same weather and the same cold caches.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Api, apiAt, output, record } from '../harness/api.ts'
import { COMMAND, type FloorMachine, type FloorSample } from './floor.ts'
import { type Quantiles, quantilesOf } from './quantiles.ts'

export type RunSamples = {
  total: Quantiles
  /** Median of each phase that the answer's Server-Timing names, in milliseconds. */
  phases: Record<string, number>
  bootPaths: Record<string, number>
}
export type Floor = { cont: Quantiles; exec: Quantiles; both: Quantiles }
export type Runs = {
  floor: Floor
  region: RunSamples
  edge: RunSamples
  exec: { region: Quantiles; edge: Quantiles }
}

/** Long enough for the pool to be filled again on two cores under software emulation: this measures latency, not throughput. */
const PAUSE_MS = 1_000

export type RunSetting = { region: string; edge: string; apiKey: string; samples: number; machine: FloorMachine }

export async function measureRuns({ region, edge, apiKey, samples, machine }: RunSetting): Promise<Runs> {
  const doors = { region: apiAt(region, apiKey), edge: apiAt(edge, apiKey) }
  const seen = { region: newSamples(), edge: newSamples() }
  const floor: FloorSample[] = []
  // The first round warms the connections and is not counted.
  for (let round = 0; round < samples + 1; round++) {
    await sleep(PAUSE_MS)
    const lowest = await machine.sample()
    if (round > 0) floor.push(lowest)
    for (const door of ['region', 'edge'] as const) {
      await sleep(PAUSE_MS)
      await sampleOnce(doors[door], round === 0 ? newSamples() : seen[door])
    }
  }
  return {
    floor: {
      cont: quantilesOf(floor.map(({ contMs }) => contMs)),
      exec: quantilesOf(floor.map(({ execMs }) => execMs)),
      both: quantilesOf(floor.map(({ contMs, execMs }) => contMs + execMs)),
    },
    region: summarize(seen.region),
    edge: summarize(seen.edge),
    exec: { region: quantilesOf(seen.region.execs), edge: quantilesOf(seen.edge.execs) },
  }
}

type Samples = {
  totals: number[]
  execs: number[]
  phases: Record<string, number[]>
  bootPaths: Record<string, number>
}

const newSamples = (): Samples => ({ totals: [], execs: [], phases: {}, bootPaths: {} })

async function sampleOnce(api: Api, into: Samples): Promise<void> {
  const answer = await api('/v1/sandboxes/run', { body: { command: COMMAND }, headers: { 'x-region': 'usw1' } })
  if (answer.status !== 201 || output(answer).stdout !== '2\n') throw new Error(`run: ${JSON.stringify(answer.body)}`)
  const { id, boot_path } = record(answer)
  into.totals.push(answer.ms)
  into.bootPaths[String(boot_path)] = (into.bootPaths[String(boot_path)] ?? 0) + 1
  for (const [name, ms] of parseServerTiming(String(answer.headers['server-timing'] ?? ''))) {
    into.phases[name] = [...(into.phases[name] ?? []), ms]
  }
  into.execs.push((await api(`/v1/sandboxes/${id}/exec`, { body: { command: COMMAND } })).ms)
  await api(`/v1/sandboxes/${id}`, { method: 'DELETE' })
}

function parseServerTiming(header: string): [name: string, ms: number][] {
  return [...header.matchAll(/([\w.-]+);dur=([\d.]+)/g)].map(([, name, ms]) => [name as string, Number(ms)])
}

function summarize(samples: Samples): RunSamples {
  const phases = Object.entries(samples.phases).map(([name, values]) => [name, quantilesOf(values).p50])
  return { total: quantilesOf(samples.totals), phases: Object.fromEntries(phases), bootPaths: samples.bootPaths }
}
