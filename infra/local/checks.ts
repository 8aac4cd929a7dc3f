/**
 * What a machine must have, or should have, to run Atoll. `npm start` refuses on what is `missing` before anything is
 * half-done; `npm run doctor` shows everything, with how to mend it.
 */
import { constants, existsSync } from 'node:fs'
import { access, copyFile, mkdir, readFile, rm, statfs, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { freemem } from 'node:os'
import { dirname } from 'node:path'
import { surveyCgroups } from '../../origin/hostd/cgroup/survey.ts'
import { missingPackages } from '../setup/packages.ts'

export type Finding =
  | { state: 'good'; says: string }
  /** Works, but not as well as it could. */
  | { state: 'poor'; says: string; mend: string }
  /** Does not work until it is mended. */
  | { state: 'missing'; says: string; mend: string }

export type Check = { name: string; look: () => Promise<Finding> }

const MEMORY_MIB_MIN = 3_072
const DISK_MIB_MIN = 8_192
const SOCKET_PATH_BYTES_MAX = 60
const MIB = 1_024 * 1_024

const good = (says: string): Finding => ({ state: 'good', says })
const poor = (says: string, mend: string): Finding => ({ state: 'poor', says, mend })
const missing = (says: string, mend: string): Finding => ({ state: 'missing', says, mend })

export const platform: Check = {
  name: 'platform',
  look: async () => {
    const what = `${process.platform} ${process.arch}, Node ${process.versions.node}`
    return process.platform === 'linux' && process.arch === 'x64'
      ? good(what)
      : missing(what, 'Run Atoll on Linux on x86-64; Debian 12 is what it is tested on.')
  },
}

export const root: Check = {
  name: 'root',
  look: async () =>
    process.getuid?.() === 0
      ? good('running as root')
      : poor('not running as root', 'npm start asks sudo for it; have sudo installed, or be root.'),
}

export const packages = (names: readonly string[]): Check => ({
  name: 'packages',
  look: async () => {
    const lacking = await missingPackages(names)
    if (lacking.length === 0) return good(`all ${names.length} Debian packages are installed`)
    const says = `not installed yet: ${lacking.join(' ')}`
    return existsSync('/usr/bin/apt-get')
      ? poor(says, 'npm start installs them.')
      : missing(says, 'This is not a Debian-like system: install what these packages hold.')
  },
})

export const memory: Check = {
  name: 'memory',
  look: async () => {
    const text = await readFile('/proc/meminfo', 'utf8').catch(() => '')
    const kib = Number(/^MemAvailable:\s+(\d+)/m.exec(text)?.[1] ?? freemem() / 1_024)
    const says = `${Math.floor(kib / 1_024)} MiB available`
    return kib / 1_024 >= MEMORY_MIB_MIN
      ? good(says)
      : missing(says, `Two regions need about ${MEMORY_MIB_MIN} MiB; end something, or set ATOLL_POOL_SIZE=1.`)
  },
}

export const disk = (path: string): Check => ({
  name: 'disk',
  look: async () => {
    const { bavail, bsize } = await statfs(nearestExisting(path))
    const mib = Math.floor((bavail * bsize) / MIB)
    const says = `${mib} MiB free at ${path}`
    return mib >= DISK_MIB_MIN
      ? good(says)
      : missing(says, `Free at least ${DISK_MIB_MIN} MiB, or put the state elsewhere with ATOLL_STATE_DIR.`)
  },
})

export const port = (number: number, setting: string): Check => ({
  name: `port ${number}`,
  look: async () =>
    (await isPortFree(number))
      ? good('free')
      : missing(`port ${number} is taken`, `"ss -ltnp sport = :${number}" shows by whom; end that, or set ${setting}.`),
})

export const socketPath = (runDir: string): Check => ({
  name: 'sockets',
  look: async () =>
    Buffer.byteLength(runDir) <= SOCKET_PATH_BYTES_MAX
      ? good(runDir)
      : missing(`${runDir} is too long for unix sockets`, 'Set ATOLL_RUN_DIR to a shorter path.'),
})

export const programs: Check = {
  name: 'programs',
  look: async () => {
    const lacking = ['setpriv', 'unshare', 'mount'].filter(
      (name) => !['/usr/bin', '/bin'].some((dir) => existsSync(`${dir}/${name}`)),
    )
    return lacking.length === 0
      ? good('setpriv, unshare and mount are there')
      : missing(`not found: ${lacking.join(', ')}`, 'Install util-linux and mount.')
  },
}

export const accelerator: Check = {
  name: 'accelerator',
  look: async () => {
    const software = 'Software emulation is used: everything works, commands run several times slower.'
    if (!existsSync('/dev/kvm'))
      return poor('there is no /dev/kvm', `${software} Use a machine with virtualization, or turn it on in the BIOS.`)
    const canOpen = await access('/dev/kvm', constants.R_OK | constants.W_OK).then(
      () => true,
      () => false,
    )
    return canOpen
      ? good(
          '/dev/kvm opens; the first start finds out by a probe boot whether it can run a kernel, and falls back if not',
        )
      : poor('/dev/kvm cannot be opened', `${software} Run as root, or join the group kvm.`)
  },
}

export const reflink = (path: string): Check => ({
  name: 'copy-on-write files',
  look: async () => {
    const dir = nearestExisting(path)
    const [from, to] = [`${dir}/.atoll-reflink-${process.pid}`, `${dir}/.atoll-reflink-${process.pid}-copy`]
    try {
      await mkdir(dir, { recursive: true })
      await writeFile(from, 'x')
      await copyFile(from, to, constants.COPYFILE_FICLONE_FORCE)
      return good('the file system shares blocks between copies')
    } catch {
      return poor(
        'the file system cannot share blocks between copies',
        'Copies take longer; put ATOLL_STATE_DIR on XFS or btrfs.',
      )
    } finally {
      await Promise.all([rm(from, { force: true }), rm(to, { force: true })])
    }
  },
})

export const cgroups: Check = {
  name: 'cgroups',
  look: async () => {
    const survey = await surveyCgroups()
    const mend =
      'Machines are not limited by it among each other. Boot with systemd.unified_cgroup_hierarchy=1, and run as root outside a container.'
    if (survey.kind === 'absent') return poor(survey.why, mend)
    const { mount, has, lacks } = survey
    if (lacks.length > 0) return poor(`version 2 at ${mount} lacks ${lacks.join(', ')}`, mend)
    return good(`version 2 at ${mount} limits ${has.join(', ')}`)
  },
}

async function isPortFree(number: number): Promise<boolean> {
  const server = createServer()
  return await new Promise((resolve) => {
    server.once('error', () => resolve(false))
    server.listen(number, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}

function nearestExisting(path: string): string {
  return existsSync(path) ? path : nearestExisting(dirname(path))
}
