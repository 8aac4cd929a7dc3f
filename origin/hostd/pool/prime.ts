/** Makes a clone quick: under emulation its first commands are slow, because QEMU translates their code anew. */
import { LIMITS } from '../../../shared/limits.ts'
import { warmInterpreter } from '../guest-code.ts'
import { runToEnd } from '../guest-run.ts'
import { wakeNow } from '../guest-wake.ts'
import { type Machine, resume, stop } from '../machine/machine.ts'
import { type Site, startClone } from '../machine/start.ts'
import { setNiceness } from '../qemu/processes.ts'
import type { TemplateBase } from '../snapshot/layer-store.ts'
import { PRIMING, primingCode, recipeOf } from '../template/recipes.ts'

const BACKGROUND = 10
const NORMAL = 0

/** A clone that has opened its session and run a few commands, and now stands still. What is running meanwhile goes first. */
export async function startPrimed(site: Site, template: TemplateBase): Promise<Machine> {
  const machine = await startClone(site, template)
  try {
    await setNiceness(machine.pid, BACKGROUND)
    await resume(machine)
    const signal = AbortSignal.any([AbortSignal.timeout(LIMITS.restoreTimeoutMs), machine.died])
    const session = await machine.guest.session(signal)
    for (const exec of PRIMING) await runToEnd(session, { ...exec, wake: wakeNow('spare') }, signal)
    for (const code of primingCode(recipeOf(template.template.name))) await warmInterpreter(session, code, signal)
    await stop(machine)
    await setNiceness(machine.pid, NORMAL)
    return machine
  } catch (error) {
    await machine.end()
    throw error
  }
}
