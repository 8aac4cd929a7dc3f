/** What was found about files, as a table. */
import type { Transfer } from './measure-transfers.ts'

export type FilesReport = { when: string; machine: string; accel: string; mib: number; transfers: Transfer[] }

const mib = (bytes: number): string => (bytes / 1_048_576).toFixed(0)

export function renderFiles({ when, machine, accel, mib: size, transfers }: FilesReport): string {
  const wire = (direction: string): number =>
    transfers.find((transfer) => transfer.way === 'the wire' && transfer.direction === direction)?.mibPerSec ??
    Number.NaN
  const names = Object.keys(transfers[0]?.growth ?? {})
  return `# Files, ${when}

${machine}; accelerator: ${accel}; one file of ${size} MiB, 1 vCPU, 512 MiB. The wire is a tunnel to a port of the machine, behind which
a program throws away what comes, or sends zeros. Memory is what a process had more at most, in MiB.

| way | direction | MiB/s | of the wire | ${names.join(' | ')} |
|---|---|---|---|${names.map(() => '---|').join('')}
${transfers
  .map(
    ({ way, direction, mibPerSec, growth }) =>
      `| ${way} | ${direction} | ${mibPerSec.toFixed(1)} | ${(mibPerSec / wire(direction)).toFixed(2)} | ${names.map((name) => mib(growth[name] ?? 0)).join(' | ')} |`,
  )
  .join('\n')}
`
}
