/** The report of the bench of distance. */
import { drawBars } from '../draw-bars.ts'
import type { Steered, Way } from './measure-ways.ts'
import { ONE_WAY_MS } from './world.ts'

export type DistanceReport = { when: string; machine: string; samples: number; ways: Way[]; steered: Steered }

const ms = (value: number): string => value.toFixed(1)

export function renderDistance({ when, machine, samples, ways, steered }: DistanceReport): string {
  const links = Object.entries(ONE_WAY_MS).map(([leg, oneWayMs]) => `${leg} ${oneWayMs}`)
  const row = ({ name, distanceMs, create, get }: Way): string =>
    `| ${name} | ${distanceMs} | ${ms(create.p50)} | ${ms(create.p95)} | ${ms(create.p50 - distanceMs)} | ${ms(get.p50)} | ${ms(get.p95)} |`
  const landed = Object.entries(steered).map(
    ([where, counts]) =>
      `| ${where} | ${Object.entries(counts)
        .map(([region, count]) => `${region} ${count}`)
        .join(', ')} |`,
  )
  return `# Distance bench, ${when}

${machine}; ${samples} samples a row, in turn, over kept connections; a client in Europe. Milliseconds.
Simulated, one way, with a tenth of it as jitter: ${links.join(', ')}.

| way | distance, there and back | create p50 | p95 | beyond the distance | get p50 | p95 |
|---|---|---|---|---|---|---|
${ways.map(row).join('\n')}

| a client that names no region, from | its creates landed in |
|---|---|
${landed.join('\n')}
`
}

export const drawDistance = ({ when, machine, samples, ways }: DistanceReport): string =>
  drawBars({
    title: 'A create from Europe, in milliseconds: bar to p50, line to p95',
    note: `${machine}; ${when.slice(0, 10)}; ${samples} samples each, taken in turn; distance is simulated`,
    bars: ways.map(({ name, create }) => ({ name, of: create, isFloor: name === 'near region, directly' })),
  })
