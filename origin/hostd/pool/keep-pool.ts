/** The pool of a host: what its machines are made of, and when making one would harm somebody. */
import { availableParallelism } from 'node:os'
import { LIMITS } from '../../../shared/limits.ts'
import { shortageOf } from '../capacity/room.ts'
import type { Config } from '../config.ts'
import type { Host } from '../host.ts'
import { readProcessUsage } from '../qemu/process-usage.ts'
import { Pool } from './pool.ts'
import { startPrimed } from './prime.ts'

const MIB = 1024 * 1024
/** Making a machine keeps a processor busy; the others are for the sandboxes. */
const CORES_PER_MAKE = 4

type Ground = Pick<Host, 'site' | 'templates' | 'gate' | 'facts' | 'metrics' | 'log'>

export function keepPool({ site: whole, templates, gate, facts, metrics, log }: Ground, config: Config['pool']): Pool {
  // Blank shells are for those who wait.
  const site = { ...whole, shells: null }
  return new Pool({
    floors: config.floors,
    budgetMib: config.memoryMib ?? Math.floor(facts().memoryTotalMib * LIMITS.poolMemoryShare),
    makesAtOnceMax: Math.max(1, Math.floor(availableParallelism() / CORES_PER_MAKE)),
    make: async ({ template: name, machine }, isFloor) => {
      const shortage = shortageOf(machine, facts())
      if (shortage !== null) throw shortage
      const template = isFloor ? await templates.ensure(name, machine) : await templates.find(name, machine)
      return template === null ? null : startPrimed(site, template)
    },
    privateMib: async (machine) => {
      const usage = await readProcessUsage(machine)
      return usage === null ? null : usage.privateBytes / MIB
    },
    isMemoryShort: () => facts().memoryAvailableMib < LIMITS.hostMemoryReserveMib,
    turn: () => gate.idle(),
    metrics,
    log,
  })
}
