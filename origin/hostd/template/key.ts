/** What a template is good for. A device state fits one QEMU, one CPU and one shape of machine only, so all of them are in its name. */
import { createHash } from 'node:crypto'
import { machineKey, type Machine as Shape } from '../../../shared/machines.ts'
import { type Accel, MACHINE_REVISION } from '../qemu/command-line.ts'

/** `cpuModel` as /proc/cpuinfo says it, `qemuVersion` with the distribution's patch level. */
export type Surroundings = { imageId: string; accel: Accel; qemuVersion: string; cpuModel: string }

export function templateKey(around: Surroundings, name: string, revision: number, shape: Shape): string {
  const parts = [around.imageId, around.accel, around.qemuVersion, around.cpuModel, MACHINE_REVISION, revision]
  const hash = createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16)
  return `${name}-${machineKey(shape)}-${hash}`
}
