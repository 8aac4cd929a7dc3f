/** Children of one parent until each has run a command, beside as many sandboxes that are made of their template at once; and what they cost. */
import { readProcessUsage } from '../../../origin/hostd/qemu/process-usage.ts'
import type { Daemon } from '../../harness/host-daemon.ts'
import { fates, fork } from '../../integration/hostd/fork/calls.ts'
import { create, shell, spec } from '../../integration/hostd/requests.ts'
import { type Quantiles, quantilesOf } from '../quantiles.ts'
import { begin, end, run, SMALL, timed } from './stage.ts'

const MIB = 1024 * 1024

export type Children = {
  count: number
  made: number
  /** Until the host has answered, and until the last child has run a command. */
  answeredMs: number
  readyMs: number
  /** Until as many that go on from the template have run one. */
  floorMs: number
  /** Memory that only one of them has, before its first command: of a child, and of one that goes on from the template. */
  childMib: Quantiles
  cloneMib: Quantiles
}

export async function measureChildren(host: Daemon, count: number): Promise<Children> {
  await begin(host, 'parent')
  const ids = Array.from({ length: count }, (_, index) => `child-${index}`)
  const sinceMs = performance.now()
  const answer = await fork(host, 'parent', ...ids.map((id) => spec(id, { machine: SMALL })))
  const answeredMs = performance.now() - sinceMs
  const made = ids.filter((_, index) => fates(answer)[index] === 'made')
  const childMib = await privateMib(host, made)
  const commandsMs = await timed(() => Promise.all(made.map((id) => run(host, id))))
  for (const id of [...made, 'parent']) await end(host, id)

  const clones = ids.map((_, index) => `clone-${index}`)
  const floorMs = await timed(() =>
    Promise.all(clones.map((id) => create(host, spec(id, { machine: SMALL }), shell('true')))),
  )
  for (const id of clones) await end(host, id)
  await create(host, spec('idle', { machine: SMALL }))
  const cloneMib = await privateMib(host, ['idle'])
  await end(host, 'idle')
  return {
    ...{ count, made: made.length, answeredMs, readyMs: answeredMs + commandsMs, floorMs },
    childMib: quantilesOf(childMib),
    cloneMib: quantilesOf(cloneMib),
  }
}

async function privateMib(host: Daemon, ids: string[]): Promise<number[]> {
  const usages = await Promise.all(ids.map(async (id) => readProcessUsage(await host.machineOf(id))))
  return usages.flatMap((usage) => (usage === null ? [] : [usage.privateBytes / MIB]))
}
