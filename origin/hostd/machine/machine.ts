/** One QEMU with its files and its guest, whether a sandbox owns it or the pool keeps it. */
import { createConnection } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Machine as Shape } from '../../../shared/machines.ts'
import type { Qmp } from '../qemu/qmp.ts'
import type { LayerHold } from '../snapshot/layer-store.ts'
import type { ConsoleLog } from './console.ts'
import type { Owner } from './files.ts'
import type { GuestLink } from './guest-link.ts'
import type { Lineage } from './lineage.ts'

export type Machine = {
  name: string
  pid: number
  owner: Owner | null
  template: string
  shape: Shape
  /** Changes when a snapshot is taken where the file system has no reflinks. */
  lineage: Lineage
  /** Keeps what it is made of. */
  held: LayerHold
  qmp: Qmp
  guest: GuestLink
  console: ConsoleLog
  /** Aborts with AppError('sandbox_lost') when the machine ends by itself. */
  died: AbortSignal
  /** Frees everything the machine has: process, sockets, disk, user id. Safe to repeat. */
  end(): Promise<void>
}

const STATUS_EVERY_MS = 1

/** Lets the CPU run. The answer says that it does; a request written to the guest meanwhile is read at once. */
export const resume = async (machine: Machine): Promise<void> => void (await machine.qmp.command('cont'))

/** Stops the CPU; memory, disk and open connections stay as they are. */
export const stop = async (machine: Machine): Promise<void> => void (await machine.qmp.command('stop'))

/** Sends a saved device state to a machine that waits for it, and returns when it stands there, stopped. */
export async function loadState(qmp: Qmp, incomingPath: string, state: Uint8Array): Promise<void> {
  const socket = createConnection(incomingPath)
  const sent = new Promise<void>((resolve, reject) => socket.once('error', reject).end(state, () => resolve()))
  await sent
  const deadline = performance.now() + LIMITS.restoreTimeoutMs
  while ((await statusOf(qmp)) === 'inmigrate') {
    if (performance.now() > deadline)
      throw new AppError('boot_failed', 'The machine of this sandbox could not be restored.', { detail: 'no end' })
    await sleep(STATUS_EVERY_MS)
  }
}

/** QEMU's word for what the machine does: `running`, `paused`, `shutdown`, ... */
export async function statusOf(qmp: Qmp): Promise<string> {
  const answer = await qmp.command('query-status')
  const status = typeof answer === 'object' && answer !== null && 'status' in answer ? answer.status : undefined
  return typeof status === 'string' ? status : 'unknown'
}
