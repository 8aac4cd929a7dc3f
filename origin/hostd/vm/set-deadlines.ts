/** When a sandbox's compute ends is changed while it goes on. */
import type { VmDeadlines, VmRecord } from '../../../shared/contracts/host.ts'
import type { Host } from '../host.ts'
import { inTurn } from './in-turn.ts'
import { journalChange } from './own.ts'
import { deadlinesOf } from './vm.ts'

/** In force and on disk when it returns. The state stays as it is: the record says whether the time was over before. */
export function setDeadlines(host: Host, id: string, deadlines: VmDeadlines): Promise<VmRecord> {
  return inTurn(host, id, async (vm) => {
    vm.spec = { ...vm.spec, ...deadlinesOf(deadlines) }
    await journalChange(host.journal, vm)
  })
}
