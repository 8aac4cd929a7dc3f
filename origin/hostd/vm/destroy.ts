/** A sandbox ends, and nothing of it is left: no process, no file, no promise. */
import { AppError } from '../../../shared/errors.ts'
import type { Host } from '../host.ts'

/** Unknown ids are fine. A create that is under way fails; the answer comes when its machine is gone, too. */
export async function destroyVm(host: Host, id: string): Promise<void> {
  host.registry.acknowledgeLoss(id)
  const vm = host.registry.get(id)
  if (vm === undefined) return
  await host.registry.end(vm, new AppError('sandbox_lost', 'The sandbox was destroyed while the request ran.'))
}
