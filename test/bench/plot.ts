/** A report as a picture: one bar to the median, a thin line on to the 95th percentile, the floor marked through all of them. */
import type { Quantiles } from './quantiles.ts'
import type { Report } from './report.ts'

const WIDTH = 900
const LEFT = 300
const RIGHT = 70
const ROW = 34
const TOP = 74

type Bar = { name: string; of: Quantiles; isFloor?: true }

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
  const longest = Math.max(...bars.map(({ of }) => of.p95))
  const x = (ms: number): number => LEFT + (ms / longest) * (WIDTH - LEFT - RIGHT)
  const height = TOP + bars.length * ROW + 24
  const floorX = x(runs.floor.both.p50).toFixed(1)
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="ui-sans-serif, system-ui, 'DejaVu Sans', sans-serif" font-size="14" role="img" aria-label="Latencies, in milliseconds">
  <rect width="${WIDTH}" height="${height}" fill="#ffffff"/>
  <text x="20" y="28" font-size="17" font-weight="600" fill="#12303f">Latency in milliseconds: bar to p50, line to p95</text>
  <text x="20" y="50" fill="#4a6472" font-size="12.5">${machine}; ${accel}; ${when.slice(0, 10)}; ${runs.region.total.samples} samples each, taken in turn</text>
  <line x1="${floorX}" x2="${floorX}" y1="${TOP - 10}" y2="${TOP + 3 * ROW - 6}" stroke="#c98a1b" stroke-dasharray="5 4"/>
${bars.map((bar, row) => renderBar(bar, TOP + row * ROW, x)).join('\n')}
</svg>
`
}

function renderBar({ name, of, isFloor }: Bar, y: number, x: (ms: number) => number): string {
  const middle = y + 11
  return `  <text x="${LEFT - 12}" y="${y + 16}" text-anchor="end" fill="#12303f">${name}</text>
  <rect x="${LEFT}" y="${y}" width="${(x(of.p50) - LEFT).toFixed(1)}" height="22" rx="3" fill="${isFloor ? '#e8b04b' : '#2f7ea8'}"/>
  <line x1="${x(of.p50).toFixed(1)}" x2="${x(of.p95).toFixed(1)}" y1="${middle}" y2="${middle}" stroke="#12303f"/>
  <text x="${(x(of.p95) + 8).toFixed(1)}" y="${y + 16}" fill="#12303f">${of.p50.toFixed(1)}</text>`
}
