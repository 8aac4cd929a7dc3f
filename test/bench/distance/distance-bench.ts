/** What distance costs: the near region against the far one, directly and by the edge, and a control plane at home against one beside its hosts. */
import { progressTo } from '../../../infra/local/progress.ts'
import { describeMachine } from '../describe-machine.ts'
import { writeReport } from '../write-report.ts'
import { type DistanceReport, drawDistance, renderDistance } from './distance-report.ts'
import { countSteered, measureWays } from './measure-ways.ts'
import { makeWorld } from './world.ts'

export async function benchDistance(samples: number): Promise<void> {
  const { step } = progressTo(process.stderr, () => performance.now())
  const world = await step('a world of two regions and an ocean', () => makeWorld())
  try {
    const steered = await step('creates that name no region', () => countSteered(world))
    const ways = await step(`${samples} samples by every way`, () => measureWays(world, samples))
    const report: DistanceReport = {
      when: new Date().toISOString(),
      machine: describeMachine(),
      samples,
      ways,
      steered,
    }
    writeReport('distance', { md: renderDistance(report), json: report, svg: drawDistance(report) })
  } finally {
    await world.end()
  }
}
