/** What a fork, a pause and a pool cost: how long a parent stands still, how soon children are there, how soon a sandbox wakes. */
import { describeMachine } from '../describe-machine.ts'
import { writeReport } from '../write-report.ts'
import { renderForks } from './fork-report.ts'
import { type Children, measureChildren } from './measure-children.ts'
import { measureRefill } from './measure-refill.ts'
import { measureResumes } from './measure-resumes.ts'
import { measureStandstills } from './measure-standstill.ts'
import { startHost } from './stage.ts'

const FEW = 5
const RESUMES = 20
const REFILLED = 2

/** `most` is the number of children of the largest fork. */
export async function benchForks(most: number): Promise<void> {
  const host = await startHost()
  const toDisk = await startHost({ ATOLL_STANDBY_AFTER_SEC: '0' })
  try {
    const standstills = await measureStandstills(host)
    const children: Children[] = []
    for (const count of new Set([Math.min(FEW, most), most])) children.push(await measureChildren(host, count))
    const resumes = await measureResumes(host, toDisk, RESUMES)
    const refill = await measureRefill(REFILLED)
    const { accel } = await host.capacity()
    const about = { when: new Date().toISOString(), machine: describeMachine(), accel }
    const report = { ...about, standstills, children, resumes, refill }
    writeReport('fork', { md: renderForks(report), json: report })
  } finally {
    await host.stop()
    await toDisk.stop()
  }
}
