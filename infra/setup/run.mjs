/**
 * The door of every npm script: `node infra/setup/run.mjs <script.ts> [arguments]`.
 *
 * It is the one file that a machine's own, perhaps older, Node must understand. It installs the locked packages when they
 * are missing or out of date, and hands over to the pinned Node that came with them, which runs TypeScript as it is.
 */
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../', import.meta.url))
const pinnedNode = `${root}node_modules/.bin/node`
const stamp = `${root}node_modules/.atoll-lock`

const lockHash = createHash('sha256').update(readFileSync(`${root}package-lock.json`)).digest('hex')
const isInstalled = existsSync(pinnedNode) && existsSync(stamp) && readFileSync(stamp, 'utf8') === lockHash

if (!isInstalled) {
  process.stderr.write('Installing the locked npm packages (once, about half a minute) ...\n')
  const npm = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: root, stdio: ['ignore', 2, 2] })
  if (npm.status !== 0) {
    process.stderr.write('`npm ci` failed; its own message is above. Mend that (network, disk space, permissions) and run this again.\n')
    process.exit(1)
  }
  if (!existsSync(pinnedNode)) {
    process.stderr.write(`There is no pinned Node for ${process.platform}-${process.arch}. Atoll runs on Linux, x86-64.\n`)
    process.exit(1)
  }
  writeFileSync(stamp, lockHash)
}

const child = spawn(pinnedNode, process.argv.slice(2), {
  cwd: root,
  stdio: 'inherit',
  env: { ...process.env, PATH: `${root}node_modules/.bin:${process.env.PATH}` },
})
// The terminal sends Ctrl-C to the whole group, so the child has it already; a signal sent to this process alone is passed on.
for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
process.on('SIGINT', () => {})
child.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 1)))
