/**
 * Whether machines run on KVM or are emulated, found out once per machine.
 *
 * A /dev/kvm that opens proves nothing: on some clouds it takes a virtual machine and then never gets through a stock
 * kernel's early boot. So a real boot with a time limit decides, and its verdict is kept until the machine changes.
 */
import { constants } from 'node:fs'
import { access, mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import * as z from 'zod'
import { LIMITS } from '../../../shared/limits.ts'
import { lockFile } from '../file-lock.ts'
import type { Accel } from '../qemu/command-line.ts'

export type Verdict = { accel: Accel; why: string }

/** What the verdict depends on; it is asked again when any of it changes. */
export type HostMachine = { cpuModel: string; kernelRelease: string; qemuVersion: string }

const rememberedSchema = z.object({
  accel: z.enum(['kvm', 'tcg']),
  why: z.string(),
  host: z.object({ cpuModel: z.string(), kernelRelease: z.string(), qemuVersion: z.string() }),
})

/** `boots` tries a boot on KVM within its own time limit. */
export async function decideAccel(
  wanted: 'auto' | Accel,
  directory: string,
  host: HostMachine,
  boots: () => Promise<boolean>,
): Promise<Verdict> {
  if (wanted !== 'auto') return { accel: wanted, why: 'It was set so.' }
  if (!(await isKvmOpen())) return { accel: 'tcg', why: 'There is no /dev/kvm that this process may open.' }
  const path = join(directory, 'accel.json')
  await mkdir(dirname(path), { recursive: true })
  await using _lock = await lockFile(`${path}.lock`, LIMITS.templateLockMs)
  const remembered = await recall(path, host)
  if (remembered !== null) return remembered
  const verdict: Verdict = (await boots())
    ? { accel: 'kvm', why: 'A machine booted on KVM.' }
    : { accel: 'tcg', why: `No machine booted on KVM within ${LIMITS.accelProbeMs / 1_000} s, though /dev/kvm opens.` }
  await writeFile(`${path}.new`, JSON.stringify({ ...verdict, host }))
  await rename(`${path}.new`, path)
  return verdict
}

async function isKvmOpen(): Promise<boolean> {
  return access('/dev/kvm', constants.R_OK | constants.W_OK).then(
    () => true,
    () => false,
  )
}

async function recall(path: string, host: HostMachine): Promise<Verdict | null> {
  try {
    const { accel, why, host: then } = rememberedSchema.parse(JSON.parse(await readFile(path, 'utf8')))
    return JSON.stringify(then) === JSON.stringify(host) ? { accel, why } : null
  } catch {
    // There is no verdict yet, or an unreadable one: it is found again.
    return null
  }
}
