/** How long a paused sandbox takes to go on, from memory and from disk, and its first command after that. */
import type { Daemon } from '../../harness/host-daemon.ts'
import { pause, pauseIn, resume, vmOf } from '../../integration/hostd/fork/calls.ts'
import { type Quantiles, quantilesOf } from '../quantiles.ts'
import { begin, end, run, timed } from './stage.ts'

const DISK_SAMPLES = 5

export type Resumes = {
  /** What a call costs that does nothing to a machine, and a command in one that is awake. */
  call: Quantiles
  hotCommand: Quantiles
  memory: Quantiles
  commandAfterMemory: Quantiles
  disk: Quantiles
  commandAfterDisk: Quantiles
}

const NOTHING_SEEN = () => ({
  call: [] as number[],
  hotCommand: [] as number[],
  memory: [] as number[],
  commandAfterMemory: [] as number[],
  disk: [] as number[],
  commandAfterDisk: [] as number[],
})

/** `host` leaves paused sandboxes in memory, `toDisk` brings them to disk at once. */
export async function measureResumes(host: Daemon, toDisk: Daemon, samples: number): Promise<Resumes> {
  const seen = NOTHING_SEEN()
  for (const one of [host, toDisk]) {
    await begin(one, 'sleeper')
    await run(one, 'sleeper')
  }
  for (let sample = 0; sample < samples; sample++) {
    seen.hotCommand.push(await run(host, 'sleeper'))
    await pause(host, 'sleeper')
    seen.call.push(await timed(() => vmOf(host, 'sleeper')))
    seen.memory.push(await timed(() => resume(host, 'sleeper')))
    seen.commandAfterMemory.push(await run(host, 'sleeper'))
  }
  for (let sample = 0; sample < DISK_SAMPLES; sample++) {
    await pauseIn(toDisk, 'sleeper', 'disk')
    seen.disk.push(await timed(() => resume(toDisk, 'sleeper')))
    seen.commandAfterDisk.push(await run(toDisk, 'sleeper'))
  }
  for (const one of [host, toDisk]) await end(one, 'sleeper')
  return {
    call: quantilesOf(seen.call),
    hotCommand: quantilesOf(seen.hotCommand),
    memory: quantilesOf(seen.memory),
    commandAfterMemory: quantilesOf(seen.commandAfterMemory),
    disk: quantilesOf(seen.disk),
    commandAfterDisk: quantilesOf(seen.commandAfterDisk),
  }
}
