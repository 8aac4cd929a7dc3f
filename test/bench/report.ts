/** The report of a bench: what was promised, what was measured, and where the time goes. */
import type { Lifecycles } from './lifecycles.ts'
import type { Quantiles } from './quantiles.ts'
import type { Reads } from './reads.ts'
import type { Runs } from './runs.ts'

export type Report = { when: string; machine: string; accel: string; runs: Runs; reads: Reads; lifecycles: Lifecycles }

const ms = (value: number): string => value.toFixed(1)
const counts = (of: Record<string, number>): string =>
  Object.entries(of)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ') || 'none'

export function renderReport({ when, machine, accel, runs, reads, lifecycles }: Report): string {
  const row = (name: string, of: Quantiles): string =>
    `| ${name} | ${ms(of.p50)} | ${ms(of.p95)} | ${ms(of.min)} | ${ms(of.max)} | ${of.samples} |`
  const verdict = (isKept: boolean): string => (isKept ? 'kept' : 'not kept')
  const ratio = runs.region.total.p50 / runs.floor.both.p50
  const added = reads.edge.p50 - reads.region.p50
  const [added50, added95] = [runs.edge.total.p50 - runs.region.total.p50, runs.edge.total.p95 - runs.region.total.p95]
  return `# Bench, ${when}

${machine}; accelerator: ${accel}. Milliseconds.

| what | p50 | p95 | min | max | samples |
|---|---|---|---|---|---|
${row('floor: cont of a stopped machine, at the host', runs.floor.cont)}
${row('floor: exec on a claimed machine, at the host', runs.floor.exec)}
${row('floor: both', runs.floor.both)}
${row('run at the region', runs.region.total)}
${row('run through the edge', runs.edge.total)}
${row('exec right after it, at the region', runs.exec.region)}
${row('exec right after it, through the edge', runs.exec.edge)}
${row('get, back to back, at the region', reads.region)}
${row('get, back to back, through the edge', reads.edge)}
${row(`run in ${lifecycles.asked} lifecycles at concurrency ${lifecycles.concurrency}`, lifecycles.run)}

| promise | measured | |
|---|---|---|
| run at a region, p50: at most 1.3 x the floor | ${ratio.toFixed(2)} x | ${verdict(ratio <= 1.3)} |
| the edge adds at most 3 ms p50, to a run | ${ms(added50)} ms | ${verdict(added50 <= 3)} |
| the edge adds at most 3 ms p50, to a get | ${ms(added)} ms | ${verdict(added <= 3)} |
| the edge adds at most 15 ms p95, to a run | ${ms(added95)} ms | ${verdict(added95 <= 15)} |
| ${lifecycles.asked} lifecycles at concurrency ${lifecycles.concurrency}: all succeed | ${lifecycles.succeeded} in ${(lifecycles.elapsedMs / 1_000).toFixed(1)} s | ${verdict(lifecycles.succeeded === lifecycles.asked)} |

Boot paths: region ${counts(runs.region.bootPaths)}; edge ${counts(runs.edge.bootPaths)}; lifecycles ${counts(lifecycles.bootPaths)}. Failures: ${counts(lifecycles.failures)}.

Where the time of a run goes, p50 by Server-Timing:

| phase | at the region | through the edge |
|---|---|---|
${[...new Set([...Object.keys(runs.region.phases), ...Object.keys(runs.edge.phases)])]
  .map((name) => `| ${name} | ${ms(runs.region.phases[name] ?? 0)} | ${ms(runs.edge.phases[name] ?? 0)} |`)
  .join('\n')}
`
}
