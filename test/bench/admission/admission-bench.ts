/** How much dearer an admission gets as a region fills: creates at 1,000, 10,000 and 50,000 live sandboxes on simulated hosts. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { readConfig } from '../../../infra/local/config.ts'
import { progressTo } from '../../../infra/local/progress.ts'
import { fillRegion } from '../../integration/controller/support/fill-region.ts'
import { until } from '../../integration/controller/support/region.ts'
import { describeMachine } from '../describe-machine.ts'
import { measureFloor } from './admission-floor.ts'
import { type AdmissionReport, type Level, renderAdmission } from './admission-report.ts'
import { type AdmissionStage, startAdmissionStage } from './admission-stage.ts'
import { cpuMsOf, cpuMsOfTree } from './cpu-time.ts'
import { measureCreates } from './measure-creates.ts'

const LEVELS = [1_000, 10_000, 50_000]
const CONCURRENCY = 8
const IDLE_MS = 5_000
const WARM_UP = 200

export async function benchAdmission(samples: number): Promise<void> {
  const { step } = progressTo(process.stderr, () => performance.now())
  const stage = await step('a region of simulated hosts', () => startAdmissionStage())
  try {
    const floor = await step('floor: prepared inserts', () => measureFloor(stage, samples, CONCURRENCY))
    const levels: Level[] = []
    let live = 0
    for (const level of LEVELS) {
      await step(`${level} live sandboxes`, () => fill(stage, level - live))
      live = level
      levels.push(await step(`creates at ${level}`, () => measureLevel(stage, level, samples)))
    }
    const report: AdmissionReport = {
      when: new Date().toISOString(),
      machine: describeMachine(),
      hosts: stage.hosts.length,
      tenants: stage.tenants.length,
      concurrency: CONCURRENCY,
      floor,
      levels,
    }
    write(report)
  } finally {
    await stage.end()
  }
}

async function fill({ controller, hosts, tenants, know }: AdmissionStage, count: number): Promise<void> {
  const names = { hosts: hosts.map(({ name }) => name), tenants: tenants.map(({ id }) => id) }
  await fillRegion({ sql: controller.sql, ...names, know }, count)
  // What so many rows at once leave to be done is no part of a region that has been full for long.
  await until(
    'every event to have its place',
    async () => {
      return (await controller.sql('select from event where position is null limit 1')).length === 0
    },
    60_000,
  )
  await controller.sql('vacuum analyze')
  await controller.sql('checkpoint')
}

async function measureLevel(stage: AdmissionStage, live: number, samples: number): Promise<Level> {
  await measureCreates(stage, stage.tenants, WARM_UP, CONCURRENCY)
  const many = await measureCreates(stage, stage.tenants, samples, CONCURRENCY)
  const one = await measureCreates(stage, stage.tenants.slice(0, 1), samples, CONCURRENCY)
  return { live, many, one, idleCpu: await measureIdle(stage) }
}

/** The share of one core that a region takes in which nobody asks for anything. */
async function measureIdle({ controller }: AdmissionStage): Promise<Level['idleCpu']> {
  const now = () => ({ controller: cpuMsOf(controller.pid), database: cpuMsOfTree(controller.databasePid) })
  const before = now()
  await sleep(IDLE_MS)
  const after = now()
  return {
    controller: (after.controller - before.controller) / IDLE_MS,
    database: (after.database - before.database) / IDLE_MS,
  }
}

function write(report: AdmissionReport): void {
  const directory = `${readConfig(process.env).stateDir}/bench`
  const text = renderAdmission(report)
  console.log(`\n${text}`)
  mkdirSync(directory, { recursive: true })
  writeFileSync(`${directory}/admission.md`, text)
  writeFileSync(`${directory}/admission.json`, JSON.stringify(report, null, 2))
  console.log('Also written to .atoll/bench/')
}
