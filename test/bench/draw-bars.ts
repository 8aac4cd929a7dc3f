/** Latencies as a picture: one bar to the median, a thin line on to the 95th percentile. */
import type { Quantiles } from './quantiles.ts'

export type Bar = { name: string; of: Quantiles; isFloor?: boolean }
/** A floor is marked through the first `rows` bars. */
export type Picture = { title: string; note: string; bars: readonly Bar[]; floor?: { ms: number; rows: number } }

const WIDTH = 900
const LEFT = 300
const RIGHT = 70
const ROW = 34
const TOP = 74

/** SVG. */
export function drawBars({ title, note, bars, floor }: Picture): string {
  const longest = Math.max(...bars.map(({ of }) => of.p95))
  const x = (ms: number): number => LEFT + (ms / longest) * (WIDTH - LEFT - RIGHT)
  const height = TOP + bars.length * ROW + 24
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="ui-sans-serif, system-ui, 'DejaVu Sans', sans-serif" font-size="14" role="img" aria-label="${title}">
  <rect width="${WIDTH}" height="${height}" fill="#ffffff"/>
  <text x="20" y="28" font-size="17" font-weight="600" fill="#12303f">${title}</text>
  <text x="20" y="50" fill="#4a6472" font-size="12.5">${note}</text>
${floor === undefined ? '' : floorLine(x(floor.ms).toFixed(1), floor.rows)}${bars.map((bar, row) => drawBar(bar, TOP + row * ROW, x)).join('\n')}
</svg>
`
}

const floorLine = (x: string, rows: number): string =>
  `  <line x1="${x}" x2="${x}" y1="${TOP - 10}" y2="${TOP + rows * ROW - 6}" stroke="#c98a1b" stroke-dasharray="5 4"/>\n`

function drawBar({ name, of, isFloor }: Bar, y: number, x: (ms: number) => number): string {
  const middle = y + 11
  return `  <text x="${LEFT - 12}" y="${y + 16}" text-anchor="end" fill="#12303f">${name}</text>
  <rect x="${LEFT}" y="${y}" width="${(x(of.p50) - LEFT).toFixed(1)}" height="22" rx="3" fill="${isFloor ? '#e8b04b' : '#2f7ea8'}"/>
  <line x1="${x(of.p50).toFixed(1)}" x2="${x(of.p95).toFixed(1)}" y1="${middle}" y2="${middle}" stroke="#12303f"/>
  <text x="${(x(of.p95) + 8).toFixed(1)}" y="${y + 16}" fill="#12303f">${of.p50.toFixed(1)}</text>`
}
