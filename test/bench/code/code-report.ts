/** What was found about code at a region, as a table for each language. */
import { CODE_LANGUAGES, type CodeLanguage } from '../../../shared/contracts/code-fields.ts'
import type { Quantiles } from '../quantiles.ts'
import type { CodeTimes } from './measure-code.ts'

export type CodeReport = { when: string; machine: string; accel: string; code: Record<CodeLanguage, CodeTimes> }

const RATIO_MAX = 1.3

export function renderCode({ when, machine, accel, code }: CodeReport): string {
  const row = (name: string, { p50, p95, min, max }: Quantiles): string =>
    `| ${name} | ${[p50, p95, min, max].map((value) => value.toFixed(1)).join(' | ')} |`
  const tables = CODE_LANGUAGES.map((language) => {
    const { host, region, stream, firstMs } = code[language]
    const ratio = region.p50 / host.p50
    return `## ${language}: ${ratio.toFixed(2)}, ${ratio <= RATIO_MAX ? 'kept' : 'not kept'}

| a hot call that prints one line | p50 | p95 | min | max |
|---|---|---|---|---|
${row('through the socket of its host', host)}
${row('at a region', region)}
${row('at a region, as a stream', stream)}

The first calls of a sandbox: ${firstMs.map((ms) => ms.toFixed(0)).join(', ')}.
`
  })
  return `# Code, ${when}

${machine}; accelerator: ${accel}; 1 vCPU, 512 MiB. Milliseconds.

Hot code at a region takes at most ${RATIO_MAX} times what its host alone takes to have the agent run it (p50).

${tables.join('\n')}`
}
