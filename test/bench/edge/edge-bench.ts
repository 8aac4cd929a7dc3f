/** What the edge costs: the same requests at a region's own URL, through a plain proxy, through an empty Worker, and through the edge. */
import { gzipSync } from 'node:zlib'
import { bundleEdge } from '../../../infra/edge/bundle-edge.ts'
import { progressTo } from '../../../infra/local/progress.ts'
import { describeMachine } from '../describe-machine.ts'
import { writeReport } from '../write-report.ts'
import { crowdName, drawEdge, type EdgeReport, renderEdge } from './edge-report.ts'
import { instantRegion, openDoors, realRegion, type Target, type Undo } from './edge-stage.ts'
import { type Crowd, type Load, type Measured, measureDoors } from './measure-doors.ts'
import { EDGE_ENTRY } from './raw-workerd.ts'

const CROWDS: Crowd[] = [
  { clients: 1, pauseMs: 0 },
  { clients: 10, pauseMs: 50 },
  { clients: 10, pauseMs: 0 },
]
const REGIONS = { 'a region that takes no time': instantRegion, 'a real region': realRegion }

export async function benchEdge(samples: number): Promise<void> {
  const { step } = progressTo(process.stderr, () => performance.now())
  const rows: EdgeReport['rows'] = []
  for (const [region, start] of Object.entries(REGIONS)) {
    const undo: Undo = []
    try {
      const target = await step(region, () => start(undo))
      const doors = await openDoors(target, undo)
      for (const load of loadsFor(target, start === instantRegion))
        for (const crowd of CROWDS) {
          const what = `${load.name}, ${crowdName(crowd)}`
          const measured = await step(what, () => measureDoors(doors, load, crowd, samples))
          rows.push(...measured.map((one: Measured) => ({ region, ...one })))
        }
    } finally {
      for (const one of undo.reverse()) await one()
    }
  }
  const bundle = await bundleEdge(EDGE_ENTRY)
  const report: EdgeReport = {
    when: new Date().toISOString(),
    machine: describeMachine(),
    samples,
    rows,
    bundleKib: Buffer.byteLength(bundle) / 1_024,
    bundleGzipKib: gzipSync(bundle).byteLength / 1_024,
  }
  writeReport('edge', { md: renderEdge(report), json: report, svg: drawEdge(report) })
}

/** A real region would be full of what a create leaves behind. */
function loadsFor({ apiKey, sandbox }: Target, mayCreate: boolean): Load[] {
  const headers = { authorization: `Bearer ${apiKey}` }
  const get: Load = { name: 'get', method: 'GET', path: `/v1/sandboxes/${sandbox}`, headers, expects: 200 }
  const create: Load = {
    name: 'create, steered',
    method: 'POST',
    path: '/v1/sandboxes',
    headers: {
      ...headers,
      'content-type': 'application/json',
      'mf-cf-blob': '{"continent":"EU","latitude":"52.5","longitude":"13.4"}',
    },
    body: '{"size":"xs"}',
    expects: 201,
  }
  return mayCreate ? [get, create] : [get]
}
