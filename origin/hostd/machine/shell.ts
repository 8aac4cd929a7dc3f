/** A machine's process before it has a state: it waits for one, or it is about to boot. */
import type { Qmp } from '../qemu/qmp.ts'
import type { LayerHold } from '../snapshot/layer-store.ts'
import type { MachineFiles, Owner } from './files.ts'
import type { Lineage } from './lineage.ts'

export type Shell = {
  name: string
  owner: Owner | null
  files: MachineFiles
  lineage: Lineage
  /** Keeps what it is made of. */
  held: LayerHold
  pid: number
  qmp: Qmp
  /** Ends it, and frees everything it has. */
  undo: AsyncDisposableStack
}
