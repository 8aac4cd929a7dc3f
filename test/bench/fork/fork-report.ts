/** What was found about forks, pauses and refills, as tables. */
import type { Quantiles } from '../quantiles.ts'
import type { Children } from './measure-children.ts'
import type { Refill } from './measure-refill.ts'
import type { Resumes } from './measure-resumes.ts'
import type { Standstill } from './measure-standstill.ts'

export type ForkReport = {
  when: string
  machine: string
  accel: string
  standstills: Standstill[]
  children: Children[]
  resumes: Resumes
  refill: Refill
}

const RESUME_MS = 25
const ms = (value: number): string => value.toFixed(1)
const verdict = (isKept: boolean): string => (isKept ? 'kept' : 'not kept')

export function renderForks(report: ForkReport): string {
  const { standstills, children, resumes, refill } = report
  const row = (name: string, { p50, p95, min, max }: Quantiles): string =>
    `| ${name} | ${[p50, p95, min, max].map(ms).join(' | ')} |`
  const firstCommand = resumes.commandAfterMemory.p50 / resumes.hotCommand.p50
  const perSecond = (refill.machines / refill.coreMs) * 1_000
  return `# Forks, ${report.when}

${report.machine}; accelerator: ${report.accel}; 1 vCPU, 512 MiB. Milliseconds.

The parent of a fork stands still at most 10 ms and 1 ms for each MB that it has written (p50); the floor is copying as much in memory:

| written, MiB | stands still, p50 | min | max | at most | floor, p50 | |
|---|---|---|---|---|---|---|
${standstills
  .map(
    ({ dirtyMib, stopped, allowedMs, floor }) =>
      `| ${ms(dirtyMib)} | ${ms(stopped.p50)} | ${ms(stopped.min)} | ${ms(stopped.max)} | ${ms(allowedMs)} | ${ms(floor.p50)} | ${verdict(stopped.p50 <= allowedMs)} |`,
  )
  .join('\n')}

Children, until the host answers and until the last one has run a command; the floor is as many sandboxes from the template at once:

| fork | made | answered | command-ready | floor | own memory of an idle child, MiB | of an idle clone, MiB |
|---|---|---|---|---|---|---|
${children
  .map(
    ({ count, made, answeredMs, readyMs, floorMs, childMib, cloneMib }) =>
      `| ${count} | ${made} | ${ms(answeredMs)} | ${ms(readyMs)} | ${ms(floorMs)} | ${ms(childMib.p50)} | ${ms(cloneMib.p50)} |`,
  )
  .join('\n')}

| pause and resume | p50 | p95 | min | max |
|---|---|---|---|---|
${row('floor: a call that touches no machine', resumes.call)}
${row('resume from memory', resumes.memory)}
${row('resume from disk', resumes.disk)}
${row('floor: a command in a sandbox that is awake', resumes.hotCommand)}
${row('first command after a resume from memory', resumes.commandAfterMemory)}
${row('first command after a resume from disk', resumes.commandAfterDisk)}

| promise | measured | |
|---|---|---|
| resume from memory, p50: at most ${RESUME_MS} ms | ${ms(resumes.memory.p50)} ms | ${verdict(resumes.memory.p50 <= RESUME_MS)} |
| its first command, p50: at most 2 x one in a sandbox that is awake | ${firstCommand.toFixed(2)} x | ${verdict(firstCommand <= 2)} |

${refill.machines} primed machines were made anew in ${ms(refill.ms)} ms: ${ms(refill.ms / refill.machines)} ms each, ${perSecond.toFixed(2)} for each second of a core.
`
}
