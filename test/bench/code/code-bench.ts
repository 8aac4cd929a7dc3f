/** What code costs at a region, beside the host alone. */
import { describeMachine } from '../describe-machine.ts'
import { setStage } from '../streams/stage.ts'
import { writeReport } from '../write-report.ts'
import { renderCode } from './code-report.ts'
import { measureCode } from './measure-code.ts'

export async function benchCode(samples: number): Promise<void> {
  const stage = await setStage()
  try {
    const { accel } = await stage.daemon.capacity()
    const about = { when: new Date().toISOString(), machine: describeMachine(), accel }
    const report = { ...about, code: await measureCode(stage, samples) }
    writeReport('code', { md: renderCode(report), json: report })
  } finally {
    await stage.stop()
  }
}
