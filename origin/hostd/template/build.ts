/** Boots a machine, warms it, freezes it, and leaves what is needed to clone it in a directory. */
import { chmod, copyFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { LIMITS } from '../../../shared/limits.ts'
import type { Machine as Shape } from '../../../shared/machines.ts'
import { warmInterpreter } from '../guest-code.ts'
import { runToEnd } from '../guest-run.ts'
import { wakeNow } from '../guest-wake.ts'
import { filesOf } from '../machine/files.ts'
import { type Machine, resume, stop } from '../machine/machine.ts'
import { type Site, startBlank } from '../machine/start.ts'
import { createEmptyLayer } from '../qemu/tools.ts'
import type { Recipe } from './recipes.ts'
import { TEMPLATE_FILES } from './template.ts'

/** Fills `directory`, which must exist and be nobody else's. Throws AppError when the machine does not come up. */
export async function buildTemplate(
  site: Site,
  name: string,
  recipe: Recipe,
  shape: Shape,
  directory: string,
): Promise<void> {
  const at = (file: string): string => join(directory, file)
  const begunMs = performance.now()
  const machine = await startBlank(site, name, shape, at(TEMPLATE_FILES.memory))
  try {
    await warmUp(machine, recipe)
    const files = filesOf(site.places, machine.name)
    await freeze(machine, files.savedState)
    // Written anew: a copy would go on belonging to the machine's user.
    await writeFile(at(TEMPLATE_FILES.deviceState), await readFile(files.savedState))
    // Only now, with QEMU gone, is every block of the layer in its file.
    await copyFile(files.overlay, at(TEMPLATE_FILES.disk))
  } finally {
    await machine.end()
  }
  await createEmptyLayer(at(TEMPLATE_FILES.emptyLayer), shape.diskMib)
  const manifest = { name, machine: shape, built_ms: Math.round(performance.now() - begunMs) }
  await writeFile(at(TEMPLATE_FILES.manifest), JSON.stringify(manifest))
  await Promise.all(Object.values(TEMPLATE_FILES).map((file) => chmod(at(file), 0o444)))
}

async function warmUp(machine: Machine, recipe: Recipe): Promise<void> {
  const signal = AbortSignal.any([AbortSignal.timeout(LIMITS.templateWarmUpMs), machine.died])
  await resume(machine)
  const session = await machine.guest.session(signal)
  await session.wake(wakeNow('template'), { signal })
  for (const exec of recipe.warmUp) await runToEnd(session, exec, signal)
  for (const code of [...recipe.imports, ...recipe.interpreters]) await warmInterpreter(session, code, signal)
  // A clone must not wake up in the middle of a conversation that it alone remembers.
  await machine.guest.close()
}

/** Saves the devices and ends QEMU, which writes back what it still held of memory and disk. */
async function freeze(machine: Machine, path: string): Promise<void> {
  await stop(machine)
  await machine.qmp.command('xen-save-devices-state', { filename: path })
  // QEMU may hang up before it has answered.
  await Promise.race([machine.qmp.command('quit').catch(() => {}), machine.qmp.closed])
  await machine.qmp.closed
}
