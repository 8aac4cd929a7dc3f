/** The whole stack on real machines: run, exec and get, at a region and through the edge. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { buildImage } from '../../infra/image/build.ts'
import { IMAGE_PACKAGES } from '../../infra/image/packages.ts'
import { readConfig } from '../../infra/local/config.ts'
import { HOST_PACKAGES } from '../../infra/local/host-packages.ts'
import { layoutOf, REPOSITORY, shortHash } from '../../infra/local/layout.ts'
import { progressTo } from '../../infra/local/progress.ts'
import { ensurePackages } from '../../infra/setup/packages.ts'
import { removeStack, startLocalStack } from '../harness/local-stack.ts'
import { describeMachine } from './describe-machine.ts'
import { claimFloorMachine } from './floor.ts'
import { measureLifecycles } from './lifecycles.ts'
import { renderPlot } from './plot.ts'
import { measureReads } from './reads.ts'
import { type Report, renderReport } from './report.ts'
import { measureRuns } from './runs.ts'

const READS = 200

export async function benchStack(samples: number): Promise<void> {
  const config = readConfig(process.env)
  const layout = layoutOf(config.stateDir, config.cacheDir, config.runDir)
  const { step } = progressTo(process.stderr, () => performance.now())

  await step('Debian packages', (log) => ensurePackages([...HOST_PACKAGES, ...IMAGE_PACKAGES], log))
  await step('guest image', (log) => buildImage({ cacheDir: layout.imageCacheDir, log }))
  const scratch = `/tmp/atoll-bench-${shortHash(REPOSITORY)}`
  rmSync(scratch, { recursive: true, force: true })
  mkdirSync(scratch, { recursive: true, mode: 0o755 })
  Object.assign(process.env, { TMPDIR: scratch, ATOLL_CACHE_DIR: config.cacheDir })

  const stack = await step('local stack', () => startLocalStack())
  try {
    const { edge, regions, api_key } = stack.dev()
    const region = regions.usw1 ?? ''
    const machine = await claimFloorMachine()
    const runs = await step(`run: ${samples} samples of the floor, at the region and through the edge`, () =>
      measureRuns({ region, edge, apiKey: api_key, samples, machine }),
    )
    await machine.end()
    const reads = await step(`get: ${READS} samples at the region and through the edge`, () =>
      measureReads(region, edge, api_key, READS),
    )
    const lifecycles = await step('100 lifecycles at concurrency 10', () => measureLifecycles(edge, api_key, 100, 10))
    const report: Report = {
      when: new Date().toISOString(),
      machine: describeMachine(),
      accel: machine.accel,
      runs,
      reads,
      lifecycles,
    }
    const text = renderReport(report)
    console.log(`\n${text}`)
    mkdirSync(`${layout.stateDir}/bench`, { recursive: true })
    writeFileSync(`${layout.stateDir}/bench/report.md`, text)
    writeFileSync(`${layout.stateDir}/bench/report.svg`, renderPlot(report))
    writeFileSync(`${layout.stateDir}/bench/report.json`, JSON.stringify(report, null, 2))
    console.log('Also written, with a picture, to .atoll/bench/')
  } finally {
    await stack.stop()
    await removeStack(stack)
    rmSync(scratch, { recursive: true, force: true })
  }
}
