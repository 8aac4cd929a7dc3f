/** Refuses a start that cannot succeed, before anything is half-done, with everything that has to be mended at once. */
import * as checks from './checks.ts'
import type { LocalConfig } from './config.ts'

export async function refuseWhatCannotWork(config: LocalConfig): Promise<void> {
  const needed = [
    checks.platform,
    checks.programs,
    checks.memory,
    checks.disk(config.stateDir),
    checks.socketPath(config.runDir),
    checks.port(config.edgePort, 'ATOLL_EDGE_PORT'),
    ...Object.entries(config.regionPorts).map(([code, port]) => checks.port(port, `ATOLL_${code.toUpperCase()}_PORT`)),
  ]
  const findings = await Promise.all(needed.map(async (check) => ({ name: check.name, ...(await check.look()) })))
  const lines = findings.flatMap((finding) =>
    finding.state === 'missing' ? [`✗ ${finding.name}: ${finding.says}\n    ${finding.mend}`] : [],
  )
  if (process.getuid?.() !== 0)
    lines.unshift('✗ root: this must run as root\n    Use "npm start", which asks sudo for it.')
  if (lines.length > 0) throw new Error(`Atoll cannot start on this machine yet:\n${lines.join('\n')}`)
}
