/** How long a paused sandbox takes to go on, from memory and from disk, and its first command after that. */
import type { Daemon } from '../../harness/host-daemon.ts'
import { pause, resume, vmOf } from '../../integration/hostd/fork/calls.ts'
import { type Quantiles, quantilesOf } from '../quantiles.ts'
import { begin, end, run, timed } from './stage.ts'

const DISK_SAMPLES = 5
const DISK_MS = 30_000

export type Resumes = {
  /** What a call costs that does nothing to a machine, and a command in one that is awake. */
  call: Quantiles
  hotCommand: Quantiles
  memory: Quantiles
  commandAfterMemory: Quantiles
  disk: Quantiles
  commandAfterDisk: Quantiles
}

/** `host` leaves paused sandboxes in memory, `toDisk` brings them to disk at once. */
export async function measureResumes(host: Daemon, toDisk: Daemon, samples: number): Promise<Resumes> {
  const [call, hotCommand, memory, commandAfterMemory, disk, commandAfterDisk] = Array.from(
    { length: 6 },
    (): number[] => [],
  )
  for (const one of [host, toDisk]) {
    await begin(one, 'sleeper')
    await run(one, 'sleeper')
  }
  for (let sample = 0; sample < samples; sample++) {
    hotCommand?.push(await run(host, 'sleeper'))
    await pause(host, 'sleeper')
    call?.push(await timed(() => vmOf(host, 'sleeper')))
    memory?.push(await timed(() => resume(host, 'sleeper')))
    commandAfterMemory?.push(await run(host, 'sleeper'))
  }
  for (let sample = 0; sample < DISK_SAMPLES; sample++) {
    await pause(toDisk, 'sleeper')
    await toDisk.until('it is on disk', DISK_MS, async () => (await vmOf(toDisk, 'sleeper'))?.standby === 'disk')
    disk?.push(await timed(() => resume(toDisk, 'sleeper')))
    commandAfterDisk?.push(await run(toDisk, 'sleeper'))
  }
  for (const one of [host, toDisk]) await end(one, 'sleeper')
  const of = (values: number[] | undefined): Quantiles => quantilesOf(values ?? [])
  return {
    call: of(call),
    hotCommand: of(hotCommand),
    memory: of(memory),
    commandAfterMemory: of(commandAfterMemory),
    disk: of(disk),
    commandAfterDisk: of(commandAfterDisk),
  }
}
