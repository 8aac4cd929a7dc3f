/**
 * The floor of `run`: what the host alone takes. The same command through the daemon's own socket on a machine that is
 * already claimed, plus the one `cont` that waking a stopped machine needs; no controller, no database, no edge.
 */
import { randomBytes } from 'node:crypto'
import type { HostExec, VmSpec } from '../../shared/contracts/host.ts'
import { newId } from '../../shared/ids.ts'
import { LIMITS } from '../../shared/limits.ts'
import { SIZES } from '../../shared/machines.ts'
import { Daemon } from '../harness/host-daemon.ts'

export const COMMAND = 'echo $((1+1))'

export type FloorSample = { contMs: number; execMs: number }

/** A machine of a host of its own, because a controller would rightly end a machine that it knows nothing of. */
export type FloorMachine = {
  accel: string
  sample: () => Promise<FloorSample>
  end: () => Promise<void>
}

export async function claimFloorMachine(): Promise<FloorMachine> {
  const host = await Daemon.start({ ATOLL_ACCEL: 'auto', ATOLL_POOL: 'default@xs=1' })
  const id = newId('sbx', 'usw1', Date.now(), randomBytes(16))
  const call = async (path: string, body?: unknown): Promise<number> => {
    const began = performance.now()
    const { status, body: text } = await host.send('POST', path, body)
    if (status >= 300) throw new Error(`POST ${path}: ${status} ${text}`)
    return performance.now() - began
  }
  await host.untilPooled('default@xs', 1)
  await call('/v1/vms', { vm: specOf(id) })
  await call(`/v1/vms/${id}/pause`)
  return {
    accel: (await host.capacity()).accel,
    /** Leaves the machine stopped, as it found it: stopping is no part of the floor. */
    async sample() {
      const contMs = await call(`/v1/vms/${id}/resume`, NO_DEADLINES)
      const execMs = await call(`/v1/vms/${id}/exec`, EXEC)
      await call(`/v1/vms/${id}/pause`)
      return { contMs, execMs }
    },
    end: () => host.stop(),
  }
}

const NO_DEADLINES = { expires_at_ms: null, on_expiry: 'destroy', idle_timeout_sec: 0 } as const

const EXEC: HostExec = {
  argv: ['/bin/bash', '-c', COMMAND],
  cwd: '/workspace',
  env: {},
  user: 'sandbox',
  timeout_ms: 10_000,
  output_bytes_max: LIMITS.execOutputBytesMax,
}

const specOf = (id: string): VmSpec => ({
  id,
  template: 'default',
  machine: SIZES.xs,
  hostname: 'floor',
  env: {},
  ...NO_DEADLINES,
})
