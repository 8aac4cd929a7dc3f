/** What files cost on every way to them: throughput beside the raw wire's, and the memory of each process on the way. */
import { describeMachine } from '../describe-machine.ts'
import { writeReport } from '../write-report.ts'
import { renderFiles } from './files-report.ts'
import { setFilesStage } from './files-stage.ts'
import { measureTransfers } from './measure-transfers.ts'

const BYTES_PER_MIB = 1024 * 1024

export async function benchFiles(mib: number): Promise<void> {
  const bytes = mib * BYTES_PER_MIB
  const stage = await setFilesStage(bytes)
  try {
    const about = { when: new Date().toISOString(), machine: describeMachine(), accel: stage.accel, mib }
    const report = { ...about, transfers: await measureTransfers(stage, bytes) }
    writeReport('files', { md: renderFiles(report), json: report })
  } finally {
    await stage.stop()
  }
}
