/** What QEMU says of a machine's devices and processors, which is 10 to 20 KB. */
import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { MachineFiles } from '../machine/files.ts'
import type { Machine } from '../machine/machine.ts'

/** QEMU writes it where its own user may. The machine must stand still. */
export async function saveDevices(machine: Machine, files: MachineFiles): Promise<void> {
  // Not `live`: then QEMU would also let go of the disk.
  await machine.qmp.command('xen-save-devices-state', { filename: files.savedState, live: false })
}

/**
 * What was saved last; the machine may go on meanwhile. A guest that has taken QEMU over could put anything there, so that no link is
 * followed, nothing is waited for and no more is read than a state can be.
 */
export async function readDevices(files: MachineFiles): Promise<Buffer> {
  await using file = await open(files.savedState, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  const look = await file.stat()
  const size = look.isFile() ? look.size : 0
  const buffer = Buffer.alloc(Math.min(size, LIMITS.deviceStateBytesMax + 1))
  const { bytesRead } = await file.read(buffer, 0, buffer.length, 0)
  if (bytesRead === 0 || bytesRead > LIMITS.deviceStateBytesMax)
    throw new AppError('internal', 'The machine did not say what its devices are like.', { detail: `${size} bytes` })
  return buffer.subarray(0, bytesRead)
}
