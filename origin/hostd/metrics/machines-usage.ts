/** What the machines of all sandboxes use at a moment, summed up. The pool's are nobody's yet. */
import { stat } from 'node:fs/promises'
import type { Host } from '../host.ts'
import { filesOf } from '../machine/files.ts'
import { readProcessUsage } from '../qemu/process-usage.ts'

const BLOCK_BYTES = 512

export type Usage = {
  cpuMsByMachine: Map<string, number>
  residentBytes: number
  privateBytes: number
  diskBytes: number
}

/** A machine that ends meanwhile is left out. */
export async function readUsage({ registry, site }: Pick<Host, 'registry' | 'site'>): Promise<Usage> {
  const usage: Usage = { cpuMsByMachine: new Map(), residentBytes: 0, privateBytes: 0, diskBytes: 0 }
  const machines = registry.all().flatMap(({ machine }) => (machine === null ? [] : [machine]))
  const looks = machines.map(async ({ name, pid }) => {
    const [used, disk] = await Promise.all([
      readProcessUsage({ name, pid }),
      stat(filesOf(site.places, name).overlay).catch(() => null),
    ])
    if (used === null) return
    usage.cpuMsByMachine.set(name, used.cpuMs)
    usage.residentBytes += used.residentBytes
    usage.privateBytes += used.privateBytes
    usage.diskBytes += (disk?.blocks ?? 0) * BLOCK_BYTES
  })
  await Promise.all(looks)
  return usage
}
