/** Many sandboxes alive at once on one host: whether each of them works, how long that takes, and what they cost while they wait. */
import { describeMachine } from '../describe-machine.ts'
import { writeReport } from '../write-report.ts'
import { renderDensity } from './density-report.ts'
import { measureDensity } from './measure-density.ts'

export async function benchDensity(count: number): Promise<void> {
  const seen = await measureDensity(count)
  const report = { when: new Date().toISOString(), machine: describeMachine(), ...seen }
  writeReport('density', { md: renderDensity(report), json: report })
}
