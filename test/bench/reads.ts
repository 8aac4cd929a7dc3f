/** A small read, one after the other without a pause: what the edge itself adds when everything is warm. */
import { apiAt, record } from '../harness/api.ts'
import { type Quantiles, quantilesOf } from './quantiles.ts'

export type Reads = { region: Quantiles; edge: Quantiles }

const WARM_UP = 20

export async function measureReads(region: string, edge: string, apiKey: string, samples: number): Promise<Reads> {
  const doors = { region: apiAt(region, apiKey), edge: apiAt(edge, apiKey) }
  const { id } = record(await doors.region('/v1/sandboxes', { body: {} }))
  const seen: { region: number[]; edge: number[] } = { region: [], edge: [] }
  for (let round = 0; round < samples + WARM_UP; round++) {
    for (const door of ['region', 'edge'] as const) {
      const { ms } = await doors[door](`/v1/sandboxes/${id}`)
      if (round >= WARM_UP) seen[door].push(ms)
    }
  }
  await doors.region(`/v1/sandboxes/${id}`, { method: 'DELETE' })
  return { region: quantilesOf(seen.region), edge: quantilesOf(seen.edge) }
}
