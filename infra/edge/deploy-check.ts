/**
 * `npm run deploy:check`: builds and validates what would be deployed, for every environment, without a network and without an account.
 *
 *   the settings   judge-deployment.ts     what they give the code   the compiler     the bundle   wrangler, whose warnings count
 *
 * `-- --config FILE` looks at another file than wrangler.toml.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { ENVIRONMENTS, judgeDeployment, nextStep } from './judge-deployment.ts'
import { readDeployment } from './read-deployment.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const program = (path: string): string => join(ROOT, 'node_modules', path)
const OFFLINE = { WRANGLER_SEND_METRICS: 'false', CLOUDFLARE_CF_FETCH_ENABLED: 'false', WRANGLER_HIDE_BANNER: 'true' }

const { values } = parseArgs({ options: { config: { type: 'string', default: join(ROOT, 'wrangler.toml') } } })
const file = resolve(values.config)

const environments = readDeployment(file)
const faults = judgeDeployment(environments)
for (const environment of ENVIRONMENTS) faults.push(...compileAgainst(environment), ...build(environment))
for (const fault of faults) console.error(fault)
if (faults.length > 0) process.exitCode = 1
else console.log(nextStep(environments))

/** Whether the environment gives the code what edge/bindings.ts says that it takes. */
function compileAgainst(environment: string): string[] {
  mkdirSync(join(ROOT, '.wrangler'), { recursive: true })
  const folder = mkdtempSync(join(ROOT, '.wrangler', 'bindings-'))
  try {
    const types = join(folder, 'given.d.ts')
    const typed = wrangler(['types', '--env', environment, '--include-runtime=false', types])
    if (typed.status !== 0) return [`${environment}: wrangler cannot read its bindings.\n${typed.output}`]
    writeFileSync(
      join(folder, 'needed.ts'),
      `import type { Bindings } from '../../edge/bindings.ts'\ndeclare const given: Env\nexport const needed: Bindings = given\n`,
    )
    writeFileSync(
      join(folder, 'tsconfig.json'),
      JSON.stringify({
        extends: '../../edge/tsconfig.json',
        compilerOptions: { noEmit: true, composite: false, incremental: false, rootDir: '../..' },
        include: ['needed.ts', 'given.d.ts'],
        references: [],
      }),
    )
    const compiled = run(join(ROOT, 'node_modules/.bin/tsc'), ['--project', folder])
    if (compiled.status === 0) return []
    return [`${environment}: the bindings are not what the code takes (edge/bindings.ts).\n${compiled.output}`]
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** As `wrangler deploy` would, up to the upload. What wrangler only warns of is not deployed here. */
function build(environment: string): string[] {
  const outDir = join(ROOT, '.wrangler', 'dry-run', environment)
  const { status, output } = wrangler(['deploy', '--dry-run', '--env', environment, '--outdir', outDir])
  if (status === 0 && !output.includes('WARNING')) {
    console.log(`${environment}: ${/Total Upload: .*/.exec(output)?.[0] ?? 'built'}`)
    return []
  }
  return [`${environment}: wrangler would not deploy this.\n${output}`]
}

function wrangler(args: string[]) {
  return run(process.execPath, [program('wrangler/bin/wrangler.js'), ...args, '--config', file])
}

function run(command: string, args: string[]): { status: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync(command, args, {
    cwd: ROOT,
    encoding: 'utf8',
    env: { ...process.env, ...OFFLINE },
  })
  return { status, output: `${stdout}${stderr}`.trim() }
}
