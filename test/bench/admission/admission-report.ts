/** The report of the admission bench: what was promised, what was measured, and what a create costs of a core. */
import type { Creates } from './measure-creates.ts'
import type { Tail } from './tail.ts'

export type Level = { live: number; many: Creates; one: Creates; idleCpu: { controller: number; database: number } }
export type AdmissionReport = {
  when: string
  machine: string
  hosts: number
  tenants: number
  concurrency: number
  floor: Tail
  levels: Level[]
}

const GROWTH_MAX = 1.2

const ms = (value: number): string => value.toFixed(2)
const count = (value: number): string => value.toLocaleString('en-US')
const percent = (share: number): string => `${(share * 100).toFixed(1)}%`

export function renderAdmission(report: AdmissionReport): string {
  const { when, machine, hosts, tenants, concurrency, floor, levels } = report
  const growth = growthOf(levels)
  const row = (live: number, who: string, { admit, create, perSecond, controllerCpuMs, databaseCpuMs }: Creates) =>
    `| ${count(live)} | ${who} | ${ms(admit.p50)} | ${ms(admit.p99)} | ${ms(admit.p99Least)} | ${ms(create.p50)} | ${ms(create.p99)} | ${perSecond.toFixed(0)} | ${ms(controllerCpuMs)} | ${ms(databaseCpuMs)} | ${(1_000 / (controllerCpuMs + databaseCpuMs)).toFixed(0)} |`
  return `# Admission bench, ${when}

${machine}; ${hosts} simulated hosts; ${concurrency} creates at a time, each followed by its destroy; client and hosts on the same machine.
Milliseconds; p99 is the median over ten batches, the least p99 that of the batch in which the machine disturbed least. The floor, one prepared durable insert at that concurrency: p50 ${ms(floor.p50)}, p99 ${ms(floor.p99)}.

| live | tenants | admit p50 | p99 | least p99 | create p50 | p99 | lifecycles/s | controller CPU | database CPU | lifecycles/s per core |
|---|---|---|---|---|---|---|---|---|---|---|
${levels.flatMap(({ live, many, one }) => [row(live, String(tenants), many), row(live, '1', one)]).join('\n')}

| live | idle: controller, of one core | database |
|---|---|---|
${levels.map(({ live, idleCpu }) => `| ${count(live)} | ${percent(idleCpu.controller)} | ${percent(idleCpu.database)} |`).join('\n')}

| promise | measured | |
|---|---|---|
| admission p99 grows at most ${GROWTH_MAX} x from ${count(levels[0]?.live ?? 0)} to ${count(levels.at(-1)?.live ?? 0)} | ${growth.toFixed(2)} x | ${growth <= GROWTH_MAX ? 'kept' : 'not kept'} |
`
}

const growthOf = (levels: Level[]): number =>
  (levels.at(-1)?.many.admit.p99Least ?? Number.NaN) / (levels[0]?.many.admit.p99Least ?? Number.NaN)
