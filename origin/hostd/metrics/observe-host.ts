/**
 * What is measured only when it is asked for: what the machines use, and how full the host is. Every number is a sum over all
 * machines, so what a scrape shows does not grow with them; what it costs is four small files for each.
 */
import { Counter, Gauge } from 'prom-client'
import { VM_STATES } from '../../../shared/contracts/host.ts'
import type { Host } from '../host.ts'
import { type Manifest, SNAPSHOT_KINDS } from '../snapshot/manifest.ts'
import { CpuTotal } from './cpu-total.ts'
import { readUsage, type Usage } from './machines-usage.ts'

const MIB = 1024 * 1024

type Read<Label extends string> = [labels: Record<Label, string>, value: number][]

/** Call it once, when the host is whole. */
export function observeHost(host: Host): void {
  const registers = [host.metrics.registry]
  const gauge = <Label extends string>(
    name: string,
    help: string,
    labelNames: Label[],
    read: () => Read<Label> | Promise<Read<Label>>,
  ): void => {
    new Gauge({
      name,
      help,
      labelNames,
      registers,
      async collect() {
        const now = await read()
        // What is not there any more is not shown any more.
        this.reset()
        for (const [labels, value] of now) this.set(labels, value)
      },
    })
  }
  const usageNow = once(() => readUsage(host))
  const total = new CpuTotal()

  gauge('atoll_machines', 'Sandboxes by state.', ['state'], () => statesOf(host))
  gauge('atoll_machines_paused', 'Paused sandboxes by where they are.', ['in'], () => pausedBy(host))
  gauge('atoll_pool_machines', 'Primed machines that wait.', ['pool'], () =>
    Object.entries(host.pool.depths()).map(([pool, depth]) => [{ pool }, depth]),
  )
  gauge('atoll_pool_targets', 'Primed machines that there should be, by demand.', ['pool'], () =>
    Object.entries(host.pool.targets()).map(([pool, target]) => [{ pool }, target]),
  )
  gauge('atoll_host_available_bytes', 'What is truly free on this machine.', ['of'], () => {
    const { memoryAvailableMib, diskAvailableMib } = host.facts()
    return [
      [{ of: 'memory' }, memoryAvailableMib * MIB],
      [{ of: 'disk' }, diskAvailableMib * MIB],
    ]
  })
  gauge('atoll_snapshots', 'Snapshots that are kept, by what they are for.', ['kind'], () =>
    SNAPSHOT_KINDS.map((kind) => [{ kind }, kept(host, kind).length]),
  )
  gauge('atoll_snapshots_bytes', 'What they take on the disk.', ['kind'], () =>
    SNAPSHOT_KINDS.map((kind) => [{ kind }, kept(host, kind).reduce((sum, { bytes }) => sum + bytes, 0)]),
  )
  gauge('atoll_machines_bytes', 'What the machines of sandboxes take.', ['of'], async () => takenBy(await usageNow()))
  new Counter({
    name: 'atoll_machines_cpu_seconds_total',
    help: 'Processor time of the machines of sandboxes, but for what one used between the last scrape and its end.',
    registers,
    async collect() {
      this.inc(total.advance((await usageNow()).cpuMsByMachine) / 1_000)
    },
  })
}

const statesOf = ({ registry }: Host): Read<'state'> =>
  VM_STATES.map((state) => [{ state }, registry.all().filter((vm) => vm.state === state).length])

const pausedBy = ({ registry }: Host): Read<'in'> => {
  const paused = registry.all().filter(({ state }) => state === 'paused')
  const onDisk = paused.filter(({ parked }) => parked !== null).length
  return [
    [{ in: 'memory' }, paused.length - onDisk],
    [{ in: 'disk' }, onDisk],
  ]
}

const kept = ({ snapshots }: Host, kind: Manifest['kind']): Manifest[] =>
  snapshots.all().flatMap(({ manifest }) => (manifest.kind === kind ? [manifest] : []))

const takenBy = ({ residentBytes, privateBytes, diskBytes }: Usage): Read<'of'> => [
  [{ of: 'memory_resident' }, residentBytes],
  [{ of: 'memory_private' }, privateBytes],
  [{ of: 'disk' }, diskBytes],
]

/** All who ask while an answer is on its way share it. */
function once<T>(ask: () => Promise<T>): () => Promise<T> {
  let asking: Promise<T> | null = null
  return () => {
    asking ??= ask().finally(() => {
      asking = null
    })
    return asking
  }
}
