/** The report of the edge's cost: what every way adds to the region's own URL. */
import { drawBars } from '../draw-bars.ts'
import type { Crowd, Measured } from './measure-doors.ts'

type Row = Measured & { region: string }
export type EdgeReport = {
  when: string
  machine: string
  samples: number
  rows: Row[]
  bundleKib: number
  bundleGzipKib: number
}

const PROMISED_MS = { p50: 3, p95: 15 }

export const crowdName = ({ clients, pauseMs }: Crowd): string =>
  `${clients}${pauseMs > 0 ? `, about ${pauseMs} ms apart` : ''}`

const ms = (value: number): string => value.toFixed(2)
const kib = (value: number): string => value.toFixed(0)

export function renderEdge(report: EdgeReport): string {
  const { when, machine, samples, rows, bundleKib, bundleGzipKib } = report
  const line = (row: Row): string => {
    const added = addedBy(report, row)
    const { p50, p95 } = row.latency
    return `| ${row.region} | ${row.load} | ${crowdName(row.crowd)} | ${row.door} | ${ms(p50)} | ${ms(p95)} | ${ms(added.p50)} | ${ms(added.p95)} | ${row.perSecond.toFixed(0)} |`
  }
  const promise = (row: Row): string => {
    const added = addedBy(report, row)
    const isKept = added.p50 <= PROMISED_MS.p50 && added.p95 <= PROMISED_MS.p95
    return `| ${row.region}, ${row.load}, ${crowdName(row.crowd)} | ${ms(added.p50)} ms p50, ${ms(added.p95)} ms p95 | ${isKept ? 'kept' : 'not kept'} |`
  }
  return `# Edge bench, ${when}

${machine}; client, proxies and region on the same machine; ${samples} samples a row, of all ways in turn. Milliseconds; "adds" is over the region's own URL.
The edge is the deployed bundle in bare workerd; in Miniflare a Worker of Miniflare's stands before it and the request counter is simulated.
Ten clients without a pause keep this machine's cores busy, and what is measured then is how much of a core each of them takes.

| region | request | clients | way | p50 | p95 | adds p50 | adds p95 | requests/s |
|---|---|---|---|---|---|---|---|---|
${rows.map(line).join('\n')}

| promise: the edge adds at most ${PROMISED_MS.p50} ms p50 and ${PROMISED_MS.p95} ms p95 | measured | |
|---|---|---|
${rows
  .filter(({ door }) => door === 'edge')
  .map(promise)
  .join('\n')}

Bundle: ${kib(bundleKib)} KiB, ${kib(bundleGzipKib)} KiB gzipped.
`
}

export function drawEdge(report: EdgeReport): string {
  return drawBars({
    title: 'A get by every way, in milliseconds: bar to p50, line to p95',
    note: `${report.machine}; ${report.when.slice(0, 10)}; ${report.samples} samples each, taken in turn`,
    bars: report.rows
      .filter(({ load, crowd }) => load === 'get' && (crowd.clients === 1 || crowd.pauseMs > 0))
      .map(({ region, door, crowd, latency }) => ({
        name: `${region === 'a real region' ? 'real' : 'instant'} region, ${door}, ${crowd.clients} at a time`,
        of: latency,
        isFloor: door === 'region',
      })),
  })
}

function addedBy({ rows }: EdgeReport, row: Row): { p50: number; p95: number } {
  const direct = rows.find(
    (one) => one.door === 'region' && one.region === row.region && one.load === row.load && one.crowd === row.crowd,
  )
  if (direct === undefined) throw new RangeError('There is nothing to compare with.')
  return { p50: row.latency.p50 - direct.latency.p50, p95: row.latency.p95 - direct.latency.p95 }
}
