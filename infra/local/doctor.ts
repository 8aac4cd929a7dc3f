/** `npm run doctor`: what this machine has, what it lacks, and how to mend it. Changes nothing. */
import { styleText } from 'node:util'
import { IMAGE_PACKAGES } from '../image/packages.ts'
import * as checks from './checks.ts'
import { readConfig } from './config.ts'
import { HOST_PACKAGES } from './host-packages.ts'

const config = readConfig(process.env)
const all = [
  checks.platform,
  checks.root,
  checks.packages([...HOST_PACKAGES, ...IMAGE_PACKAGES]),
  checks.programs,
  checks.memory,
  checks.disk(config.stateDir),
  checks.accelerator,
  checks.reflink(config.stateDir),
  checks.cgroups,
  checks.socketPath(config.runDir),
  checks.port(config.edgePort, 'ATOLL_EDGE_PORT'),
  ...Object.entries(config.regionPorts).map(([code, port]) => checks.port(port, `ATOLL_${code.toUpperCase()}_PORT`)),
]

const MARK = { good: styleText('green', '✓'), poor: styleText('yellow', '!'), missing: styleText('red', '✗') }
let isUsable = true
for (const check of all) {
  const finding = await check.look()
  console.log(`${MARK[finding.state]} ${check.name.padEnd(20)} ${finding.says}`)
  if (finding.state !== 'good') console.log(`  ${' '.repeat(20)} ${styleText('dim', finding.mend)}`)
  if (finding.state === 'missing') isUsable = false
}
console.log(isUsable ? '\nThis machine can run Atoll: npm start' : '\nMend what is marked ✗, then: npm start')
process.exit(isUsable ? 0 : 1)
