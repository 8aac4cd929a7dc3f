/** The report of the whole stack as a picture, the floor marked through everything that stands on it. */
import { type Bar, drawBars } from './draw-bars.ts'
import type { Report } from './report.ts'

export function renderPlot({ machine, accel, when, runs, reads }: Report): string {
  const bars: Bar[] = [
    { name: 'floor: cont + exec, at the host', of: runs.floor.both, isFloor: true },
    { name: 'run at the region', of: runs.region.total },
    { name: 'run through the edge', of: runs.edge.total },
    { name: 'exec right after it, at the region', of: runs.exec.region },
    { name: 'exec right after it, through the edge', of: runs.exec.edge },
    { name: 'get, back to back, at the region', of: reads.region },
    { name: 'get, back to back, through the edge', of: reads.edge },
  ]
  return drawBars({
    title: 'Latency in milliseconds: bar to p50, line to p95',
    note: `${machine}; ${accel}; ${when.slice(0, 10)}; ${runs.region.total.samples} samples each, taken in turn`,
    bars,
    floor: { ms: runs.floor.both.p50, rows: 3 },
  })
}
