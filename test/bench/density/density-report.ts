/** What was found about many sandboxes at once, as a table. */
import type { Quantiles } from '../quantiles.ts'
import { type Density, IMPORTS, TEMPLATE } from './measure-density.ts'

export type DensityReport = Density & { when: string; machine: string }

export function renderDensity(report: DensityReport): string {
  const { asked, alive, answered, size, accel, createsMs, commandsMs, bootPaths, daemonMib } = report
  const row = (name: string, { p50, p95, min, max }: Quantiles): string =>
    `| ${name} | ${[p50, p95, min, max].map((value) => value.toFixed(0)).join(' | ')} |`
  const seconds = (ms: number): string => (ms / 1_000).toFixed(1)
  const paths = Object.entries(bootPaths).map(([path, count]) => `${count} ${path}`)
  return `# Density, ${report.when}

${report.machine}; accelerator: ${accel}; template ${TEMPLATE}, size ${size}.

**${alive} of ${asked} alive at once, ${answered} of ${asked} ran Python** (\`import ${IMPORTS}\`).
All were created in ${seconds(createsMs)} s (${paths.join(', ')}), and all had answered ${seconds(commandsMs)} s later: ${seconds(createsMs + commandsMs)} s in all.
The daemon took ${daemonMib.before.toFixed(0)} MiB before and ${daemonMib.after.toFixed(0)} MiB after.

| what | p50 | p95 | min | max |
|---|---|---|---|---|
${row('create and a first command, ms', report.create)}
${row('Python, ms', report.command)}
${row('memory of its own of an idle sandbox, MiB', report.idleMib)}
${row('the same after Python, MiB', report.usedMib)}
`
}
