/** What commands and streams cost at a region: beside the host alone, from a write to the client, and many at a time. */
import { describeMachine } from '../describe-machine.ts'
import { writeReport } from '../write-report.ts'
import { measureExec } from './measure-exec.ts'
import { measureFairness } from './measure-fairness.ts'
import { measureFirstByte } from './measure-first-byte.ts'
import { setStage } from './stage.ts'
import { renderStreams } from './streams-report.ts'

export async function benchStreams(samples: number): Promise<void> {
  const stage = await setStage()
  try {
    const { accel } = await stage.daemon.capacity()
    const about = { when: new Date().toISOString(), machine: describeMachine(), accel }
    const exec = await measureExec(stage, samples)
    const firstByte = await measureFirstByte(stage, samples)
    const report = { ...about, exec, firstByte, fairness: await measureFairness(stage) }
    writeReport('streams', { md: renderStreams(report), json: report })
  } finally {
    await stage.stop()
  }
}
