/** What this machine's processor and kernel are, as far as machines started on it depend on it. */
import { readFile } from 'node:fs/promises'
import { cpus, release } from 'node:os'

export const kernelRelease = release

export const cpuModel = (): string => cpus()[0]?.model ?? 'unknown'

/**
 * The rate of the time stamp counter in kHz, for a guest that cannot measure it under emulation. The model's name carries
 * the nominal rate ("@ 2.60GHz"); where it does not, the counter of a virtual machine runs at the rate shown as current.
 */
export async function tscKhz(): Promise<number> {
  return tscKhzOf(await readFile('/proc/cpuinfo', 'utf8'))
}

export function tscKhzOf(cpuinfo: string): number {
  const nominalGhz = /^model name.*@ ([\d.]+)GHz/m.exec(cpuinfo)?.[1]
  if (nominalGhz !== undefined) return Math.round(Number(nominalGhz) * 1_000_000)
  const currentMhz = /^cpu MHz\s*: ([\d.]+)/m.exec(cpuinfo)?.[1]
  if (currentMhz !== undefined) return Math.round(Number(currentMhz) * 1_000)
  throw new Error('/proc/cpuinfo does not say how fast the processor runs.')
}
