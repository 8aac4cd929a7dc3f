/**
 * The door of every npm script: `node infra/setup/run.mjs [--root | --contained] <script.ts> [arguments]`.
 *
 * It is the one file that a machine's own, perhaps older, Node must understand. It installs the locked packages when they
 * are missing or out of date, and hands over to the pinned Node that came with them, which runs TypeScript as it is.
 * With --root the script runs as root (through sudo if need be), in a place that unprivileged users can reach: PostgreSQL
 * and QEMU run as such users, and a clone in a private home directory is closed to them. With --contained it also gets a
 * process namespace of its own, so that nothing it started outlives it, however it ends.
 */
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '')
const pinnedNode = `${root}/node_modules/.bin/node`
const isContained = process.argv[2] === '--contained'
const needsRoot = isContained || process.argv[2] === '--root'
const script = process.argv.slice(needsRoot ? 3 : 2)

installLockedPackages()
// One clone has one place, so that paths inside it, and what is named after them, stay the same from start to start.
const view = isReachableByOthers(root)
  ? root
  : `/run/atoll/src-${createHash('sha256').update(root).digest('hex').slice(0, 8)}`
const isolation = [
  ...(isContained ? ['--pid', '--fork', '--kill-child', '--mount-proc'] : []),
  ...(isContained || view !== root ? ['--mount', '--propagation', 'slave'] : []),
]
const command = [`${view}/node_modules/.bin/node`, ...script]
const [program, ...args] = needsRoot
  ? asRoot(isolation.length > 0 ? inNamespaces(isolation, command) : command)
  : command

const child = spawn(program, args, {
  cwd: root,
  stdio: 'inherit',
  env: { ...process.env, PATH: `${root}/node_modules/.bin:${process.env.PATH}` },
})
child.on('error', (error) => {
  process.stderr.write(`${program} could not be started (${error.message}). Run this as root, or install it.\n`)
  process.exit(1)
})
// The terminal sends Ctrl-C to the whole group, so the child has it already; a signal sent to this process alone is passed on.
// The keeper of a process namespace blocks every signal but one, and takes the whole namespace with it.
for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(isContained ? 'SIGKILL' : signal))
process.on('SIGINT', () => {})
child.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 1)))

function pathWithoutPackages() {
  const folders = (process.env.PATH ?? '').split(':')
  return folders.filter((folder) => folder !== `${root}/node_modules/.bin`).join(':')
}

function installLockedPackages() {
  const stamp = `${root}/node_modules/.atoll-lock`
  const lockHash = createHash('sha256')
    .update(readFileSync(`${root}/package-lock.json`))
    .digest('hex')
  if (existsSync(pinnedNode) && existsSync(stamp) && readFileSync(stamp, 'utf8') === lockHash) return
  process.stderr.write('Installing the locked npm packages (once, about half a minute) ...\n')
  const npm = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
    // An npm is among the packages, for sandboxes; it could not put itself in its own place.
    env: { ...process.env, PATH: pathWithoutPackages() },
  })
  if (npm.status !== 0) {
    process.stderr.write(
      '"npm ci" failed; its own message is above. Mend that (network, disk, permissions) and run this again.\n',
    )
    process.exit(1)
  }
  if (!existsSync(pinnedNode)) {
    process.stderr.write(
      `There is no pinned Node for ${process.platform}-${process.arch}. Atoll runs on Linux, x86-64.\n`,
    )
    process.exit(1)
  }
  writeFileSync(stamp, lockHash)
}

/** Whether every folder down to this one may be walked through by any user. */
function isReachableByOthers(path) {
  return path === '/' || ((statSync(path).mode & 0o001) !== 0 && isReachableByOthers(dirname(path)))
}

/**
 * Runs a command in namespaces of its own, which end with their last process, and with the clone where others can reach it.
 * The shell stays when it is the first process of a namespace, because that one must reap whatever others leave behind.
 */
function inNamespaces(flags, command) {
  const run = isContained ? '"$@"; exit "$?"' : 'exec "$@"'
  const enter = `if [ "$0" != "$1" ]; then mkdir -p "$1" && mount --bind "$0" "$1"; fi && cd "$1" && shift || exit; ${run}`
  return ['unshare', ...flags, '/bin/sh', '-c', enter, root, view, ...command]
}

function asRoot(command) {
  if (process.getuid() === 0) return command
  const kept = Object.entries(process.env)
    .filter(([name]) => /^(ATOLL_.*|DATABASE_URL|CI|TERM|NO_COLOR)$/.test(name))
    .map(([name, value]) => `${name}=${value}`)
  return ['sudo', '--', 'env', ...kept, ...command]
}
