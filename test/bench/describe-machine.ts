/** What every number of a report hangs on. */
import { cpus, totalmem } from 'node:os'

export const describeMachine = (): string =>
  `${cpus()[0]?.model}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB`
