/** `npm run doctor`: what this machine has, what it lacks, and how to mend it. Changes nothing. */
import { styleText } from 'node:util'
import { IMAGE_PACKAGES } from '../image/packages.ts'
import * as checks from './checks.ts'
import { readConfig } from './config.ts'
import { livingHolder } from './exclusive.ts'
import { HOST_PACKAGES } from './host-packages.ts'
import { layoutOf } from './layout.ts'

const config = readConfig(process.env)
const holder = livingHolder(layoutOf(config.stateDir, config.cacheDir, config.runDir).lockFile)
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
  ...(holder === null ? portChecks() : []),
]

const MARK = { good: styleText('green', '✓'), poor: styleText('yellow', '!'), missing: styleText('red', '✗') }
let isUsable = true
for (const check of all) {
  const finding = await check.look()
  console.log(`${MARK[finding.state]} ${check.name.padEnd(20)} ${finding.says}`)
  if (finding.state !== 'good') console.log(`  ${' '.repeat(20)} ${styleText('dim', finding.mend)}`)
  if (finding.state === 'missing') isUsable = false
}
const start = holder === null ? 'npm start' : `it runs here already (process ${holder})`
console.log(isUsable ? `\nThis machine can run Atoll: ${start}` : '\nMend what is marked ✗, then: npm start')
process.exit(isUsable ? 0 : 1)

/** Asked only while no stack runs here: otherwise they are taken by it. */
function portChecks(): checks.Check[] {
  const regions = Object.entries(config.regionPorts)
  return [
    checks.port(config.edgePort, 'ATOLL_EDGE_PORT'),
    ...regions.map(([code, port]) => checks.port(port, `ATOLL_${code.toUpperCase()}_PORT`)),
  ]
}
