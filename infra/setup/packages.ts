/**
 * Debian packages, installed once and found present at once ever after.
 * Elsewhere than on a Debian-like system this says what to install and changes nothing.
 */
import { execFile, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { promisify } from 'node:util'

const run = promisify(execFile)

export class MissingPackages extends Error {
  override readonly name = 'MissingPackages'
}

/** Those of `names` that are not installed. */
export async function missingPackages(names: readonly string[]): Promise<string[]> {
  if (!existsSync('/usr/bin/dpkg-query')) return [...names]
  const query = ['--show', `--showformat=\${binary:Package} \${db:Status-Status}\n`, ...names]
  // dpkg-query fails when it knows one of the names not at all, and still prints what it knows of the others.
  const { stdout } = await run('dpkg-query', query).catch((failure: { stdout?: string }) => ({
    stdout: failure.stdout ?? '',
  }))
  const installed = new Set(
    stdout
      .split('\n')
      .filter((line) => line.endsWith(' installed'))
      .map((line) => line.split(/[ :]/)[0]),
  )
  return names.filter((name) => !installed.has(name))
}

/** Installs what is missing. `log` hears of it only when there is something to do. */
export async function ensurePackages(names: readonly string[], log: (line: string) => void): Promise<void> {
  const missing = await missingPackages(names)
  if (missing.length === 0) return
  if (!existsSync('/usr/bin/apt-get')) {
    throw new MissingPackages(
      `This is not a Debian-like system. Install what these Debian packages hold, and start again: ${missing.join(', ')}`,
    )
  }
  if (process.getuid?.() !== 0) {
    throw new MissingPackages(
      `Installing packages needs root: sudo apt-get install --no-install-recommends ${missing.join(' ')}`,
    )
  }
  if (missing.some((name) => name.startsWith('postgresql'))) await keepPostgresFromStartingACluster()
  log(`installing ${missing.length} Debian packages: ${missing.join(' ')}`)
  await apt(['update', '-qq'])
  await apt(['install', '-qq', '--yes', '--no-install-recommends', ...missing])
}

/** Debian's PostgreSQL makes and starts a cluster of its own when it is installed; the tests need only its programs. */
async function keepPostgresFromStartingACluster(): Promise<void> {
  await mkdir('/etc/postgresql-common/createcluster.d', { recursive: true })
  await writeFile('/etc/postgresql-common/createcluster.d/atoll.conf', 'create_main_cluster = false\n')
}

async function apt(args: string[]): Promise<void> {
  const output: string[] = []
  // A package manager that runs elsewhere holds a lock; apt waits for it instead of failing.
  const child = spawn('apt-get', ['-o', 'DPkg::Lock::Timeout=120', '-o', 'Acquire::Retries=3', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  })
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => output.push(text))
  const code = await new Promise<number | null>((resolve, reject) => child.once('error', reject).once('close', resolve))
  if (code !== 0) {
    const tail = output.join('').trim().split('\n').slice(-8).join('\n')
    throw new MissingPackages(`"apt-get ${args[0]}" failed. Mend what it says below, and start again.\n${tail}`)
  }
}
