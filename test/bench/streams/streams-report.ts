/** What was found about commands and streams at a region, as tables. */
import type { Quantiles } from '../quantiles.ts'
import type { ExecTimes } from './measure-exec.ts'
import type { Fairness } from './measure-fairness.ts'
import type { FirstByte } from './measure-first-byte.ts'

export type StreamsReport = {
  when: string
  machine: string
  accel: string
  exec: ExecTimes
  firstByte: FirstByte
  fairness: Fairness
}

const RATIO_MAX = 1.3
const FIRST_BYTE_MS = 10
const SPREAD_MAX = 2
const verdict = (isKept: boolean): string => (isKept ? 'kept' : 'not kept')

export function renderStreams(report: StreamsReport): string {
  const { exec, firstByte, fairness } = report
  const row = (name: string, { p50, p95, min, max }: Quantiles): string =>
    `| ${name} | ${[p50, p95, min, max].map((value) => value.toFixed(1)).join(' | ')} |`
  const ratio = exec.region.p50 / exec.host.p50
  return `# Streams, ${report.when}

${report.machine}; accelerator: ${report.accel}; 1 vCPU, 512 MiB. Milliseconds.

A hot command at a region takes at most ${RATIO_MAX} times what its host alone takes to have the agent run it (p50): ${ratio.toFixed(2)}, ${verdict(ratio <= RATIO_MAX)}.

| a hot command | p50 | p95 | min | max |
|---|---|---|---|---|
${row('through the socket of its host', exec.host)}
${row('at a region', exec.region)}
${row('at a region, as a stream', exec.stream)}
${row('of that the process itself', exec.process)}

What a process writes when it is given a line is at the client at most ${FIRST_BYTE_MS} ms after the answer that it was given it (p50): ${verdict(firstByte.afterAnswer.p50 <= FIRST_BYTE_MS)}.

| one line | p50 | p95 | min | max |
|---|---|---|---|---|
${row('after the answer to the request that writes to stdin', firstByte.afterAnswer)}
${row('after that request was sent', firstByte.echo)}

${fairness.streams} streams at a time out of one sandbox, each of a command that prints without end, for ${fairness.seconds} s: the one that got most got ${fairness.spread.toFixed(2)} times as much as the one that got least, ${verdict(fairness.spread <= SPREAD_MAX)} within ${SPREAD_MAX}.

| of each stream | p50 | p95 | min | max |
|---|---|---|---|---|
${row('KiB per second', fairness.rates)}
`
}
