/** `POST /v1/sandboxes/run` as a caller sees it, at a region's own URL and through the edge, in turn, so that both meet the same weather. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Api, apiAt, output, record } from '../harness/api.ts'
import { COMMAND } from './floor.ts'
import { type Quantiles, quantilesOf } from './quantiles.ts'

export type RunSamples = {
  total: Quantiles
  /** Median of each phase that the answer's Server-Timing names, in milliseconds. */
  phases: Record<string, number>
  bootPaths: Record<string, number>
}
export type Runs = { region: RunSamples; edge: RunSamples; exec: { region: Quantiles; edge: Quantiles } }

/** Long enough for the pool to be filled again on two cores under software emulation: this measures latency, not throughput. */
const PAUSE_MS = 1_500

export async function measureRuns(setting: {
  region: string
  edge: string
  apiKey: string
  samples: number
}): Promise<Runs> {
  const doors = { region: apiAt(setting.region, setting.apiKey), edge: apiAt(setting.edge, setting.apiKey) }
  const seen = { region: newSamples(), edge: newSamples() }
  for (let i = 0; i < setting.samples + 1; i++) {
    for (const door of ['region', 'edge'] as const) {
      await sleep(PAUSE_MS)
      await sampleOnce(doors[door], i === 0 ? newSamples() : seen[door])
    }
  }
  return {
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
