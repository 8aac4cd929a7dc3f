/** Makes sandboxes, runs the same Python in every one while all of them live, and looks at what they take. */
import { readProcessUsage } from '../../../origin/hostd/qemu/process-usage.ts'
import { SIZES } from '../../../shared/machines.ts'
import { Daemon } from '../../harness/host-daemon.ts'
import { create, exec, exitOf, readyOf, shell, spec, textOf } from '../../integration/hostd/requests.ts'
import { type Quantiles, quantilesOf } from '../quantiles.ts'

export const IMPORTS = 'numpy'
export const TEMPLATE = 'python-datasci'
const SIZE = 'xs'
/** As many as a busy host is asked for at a time; more would only wait in its queue. */
const CREATES_AT_ONCE = 8
const COMMANDS_AT_ONCE = 4
const MIB = 1024 * 1024

export type Density = {
  accel: string
  size: string
  asked: number
  /** Created, and alive when all had been created. */
  alive: number
  /** Of those, how many gave the right answer. */
  answered: number
  createsMs: number
  commandsMs: number
  create: Quantiles
  command: Quantiles
  bootPaths: Record<string, number>
  /** Of one machine: before its first command of ours, and after it. */
  idleMib: Quantiles
  usedMib: Quantiles
  daemonMib: { before: number; after: number }
}

export async function measureDensity(count: number): Promise<Density> {
  const host = await Daemon.start({ ATOLL_ACCEL: 'auto', ATOLL_POOL: `${TEMPLATE}@${SIZE}=4` })
  try {
    await host.untilPooled(`${TEMPLATE}@${SIZE}`, 4)
    const before = await daemonMib(host)
    const ids = Array.from({ length: count }, (_, index) => `dense-${index}`)
    const bootPaths: Record<string, number> = {}
    const creates = await timed(ids, CREATES_AT_ONCE, async (id) => {
      const made = await create(host, spec(id, { template: TEMPLATE, machine: SIZES[SIZE] }), shell('true'))
      const { boot_path } = readyOf(made)
      bootPaths[boot_path] = (bootPaths[boot_path] ?? 0) + 1
    })
    const idle = await privateMib(host, ids)
    const alive = (await host.inventory()).vms.filter(({ state }) => state === 'running').length
    const commands = await timed(ids, COMMANDS_AT_ONCE, async (id) => {
      const ran = await exec(host, id, `python3 -c "import ${IMPORTS}; print(6 * 7)"`, { timeout_ms: 120_000 })
      if (exitOf(ran).exit_code !== 0 || textOf(ran) !== '42\n') throw new Error(`${id}: ${ran.body}`)
    })
    return {
      accel: (await host.capacity()).accel,
      size: SIZE,
      asked: count,
      alive,
      answered: commands.each.length,
      createsMs: creates.totalMs,
      commandsMs: commands.totalMs,
      create: quantilesOf(creates.each),
      command: quantilesOf(commands.each),
      bootPaths,
      idleMib: quantilesOf(idle),
      usedMib: quantilesOf(await privateMib(host, ids)),
      daemonMib: { before, after: await daemonMib(host) },
    }
  } finally {
    await host.stop()
  }
}

/** What went well, in milliseconds each; what failed is told on the terminal and missing here. */
async function timed(ids: string[], atOnce: number, deed: (id: string) => Promise<void>) {
  const left = [...ids]
  const each: number[] = []
  const beganMs = performance.now()
  const worker = async (): Promise<void> => {
    for (let id = left.shift(); id !== undefined; id = left.shift()) {
      const sinceMs = performance.now()
      await deed(id).then(
        () => each.push(performance.now() - sinceMs),
        (error) => process.stderr.write(`${error}\n`),
      )
    }
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
  return { each, totalMs: performance.now() - beganMs }
}

async function privateMib(host: Daemon, ids: string[]): Promise<number[]> {
  const seen: number[] = []
  for (const id of ids) {
    const machine = await host.machineOf(id).catch(() => null)
    const usage = machine === null ? null : await readProcessUsage(machine)
    if (usage !== null) seen.push(usage.privateBytes / MIB)
  }
  return seen
}

async function daemonMib(host: Daemon): Promise<number> {
  const { body } = await host.send('GET', '/metrics')
  return Number(/^process_resident_memory_bytes (\d+)$/m.exec(body)?.[1] ?? Number.NaN) / MIB
}
