/**
 * What a machine has on the host: a directory for its disk and its journal record, and one for its sockets.
 *
 *   <state>/machines/<name>/disk.qcow2, record.json     the daemon's; the machine works in it and opens there what it is given
 *   <run>/<name>/qmp.sock, data.sock, ...               belongs to the machine's own user
 */
import { chown, mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { LIMITS } from '../../../shared/limits.ts'

export type Owner = { uid: number; gid: number }
export type Places = { machinesDir: string; runDir: string }

export type MachineFiles = {
  stateDir: string
  overlay: string
  runDir: string
  qmp: string
  data: string
  control: string
  incoming: string
  savedState: string
}

export function filesOf(places: Places, name: string): MachineFiles {
  const stateDir = join(places.machinesDir, name)
  const runDir = join(places.runDir, name)
  return {
    stateDir,
    overlay: join(stateDir, 'disk.qcow2'),
    runDir,
    qmp: join(runDir, 'qmp.sock'),
    data: join(runDir, 'data.sock'),
    control: join(runDir, 'control.sock'),
    incoming: join(runDir, 'incoming.sock'),
    savedState: join(runDir, 'device.state'),
  }
}

export async function makeDirectories(files: MachineFiles, owner: Owner | null): Promise<void> {
  await Promise.all([mkdir(files.stateDir, { mode: 0o711 }), mkdir(files.runDir, { mode: 0o700 })])
  if (owner !== null) await chown(files.runDir, owner.uid, owner.gid)
}

/** Safe to repeat, for names that never had any, and while a snapshot of the machine that is ending still puts a file there. */
export async function removeDirectories(files: MachineFiles): Promise<void> {
  const { machineRemovalTriesMax: maxRetries, machineRemovalRetryMs: retryDelay } = LIMITS
  const whole = { recursive: true, force: true, maxRetries, retryDelay }
  await Promise.all([files.stateDir, files.runDir].map((path) => rm(path, whole)))
}
