/**
 * Everything that may be set about a host, read once from the environment. The table is the documentation.
 *
 *   ATOLL_HOSTD_SOCKET        the unix socket this daemon answers on
 *   ATOLL_STATE_DIR           the journal, and the disks of machines; survives a restart
 *   ATOLL_RUN_DIR             the machines' own sockets; a short path, because the kernel allows a socket's path 107 bytes
 *   ATOLL_IMAGE_DIR           a guest image: a directory with image.json
 *   ATOLL_TEMPLATE_DIR        booted templates and the verdict on KVM; several daemons of one machine may share it
 *   ATOLL_POOL                primed machines to keep always: `default@xs=4,default@small=2`, or nothing for the line below
 *   ATOLL_POOL_SIZE           primed machines of the default template and the default size
 *   ATOLL_POOL_MEMORY_MIB     memory for primed machines of whatever is asked for, those above included; by default an eighth of the machine's
 *   ATOLL_SHELLS              QEMUs to keep started ahead of each template and size that was restored lately
 *   ATOLL_DEFAULT_SIZE        xs, small, medium, large or xl
 *   ATOLL_ACCEL               auto, kvm or tcg; auto tries KVM once per machine and remembers
 *   ATOLL_HOST_MEMORY_MIB     memory to promise in all; by default the machine's, times ATOLL_MEMORY_OVERCOMMIT
 *   ATOLL_HOST_DISK_MIB       disk to promise in all; by default the file system's, times ATOLL_DISK_OVERCOMMIT
 *   ATOLL_SNAPSHOT_DISK_MIB   disk for snapshots, and for sandboxes that are paused on disk; by default half of the file system
 *   ATOLL_STANDBY_AFTER_SEC   how long a paused sandbox stays in memory before it goes to disk; when memory is short it goes at once
 *   ATOLL_MEMORY_OVERCOMMIT   a clone costs only the pages it writes, and what is truly free is checked before every start
 *   ATOLL_DISK_OVERCOMMIT     a disk costs only the blocks it writes, and what is truly free is checked before every start
 *   ATOLL_VMS_MAX             sandboxes at a time
 *   ATOLL_VM_UID_BASE         the first of the user ids that machines run under, one each; used only when started by root
 *   ATOLL_QEMU                the QEMU program
 *   ATOLL_EGRESS_ALLOW_PRIVATE  true: egress policies may open addresses that are not of the public internet, and this machine's own; false
 *   ATOLL_EGRESS_NAME_SERVERS   address:port of those that are asked for the names sandboxes ask for, with commas; by default this machine's
 *
 * For controllers on other machines; without the first of these, only the socket is opened:
 *
 *   ATOLL_HOSTD_LISTEN        address:port to listen on with TLS, under a certificate made here
 *   ATOLL_HOSTD_URL           https://address:port where controllers reach that; by default the same
 *   ATOLL_HOST_NAME           what the host's owner calls it
 *   ATOLL_JOIN_URL            a region's own address, to join it; https, or http on this machine
 *   ATOLL_JOIN_TOKEN          the token to join with, good once; a joined host needs it no more
 *
 * A host that has joined is in no controller's ATOLL_HOSTS: known twice, it would be told twice what should run there. It must be
 * reachable for the controllers: nothing here gets through a NAT from inside.
 */
import * as z from 'zod'
import { joinBody } from '../../shared/contracts/hosts.ts'
import { isWellFormedJoinToken } from '../../shared/ids.ts'
import { LIMITS } from '../../shared/limits.ts'
import { SIZE_NAMES } from '../../shared/machines.ts'
import { type PoolTarget, parsePoolTargets } from './pool/targets.ts'

const directory = z.string().regex(/^\//, { error: 'must be an absolute path' })
/** A machine's directory and socket are added to it: `/m-0123456789ab/incoming.sock`. */
const runDirectory = directory.refine((path) => path.length + 32 <= LIMITS.unixPathBytesMax, {
  error: `must leave room for socket names within ${LIMITS.unixPathBytesMax} bytes`,
})

const listenSchema = z
  .string()
  .regex(/^([^:]+|\[[0-9a-f:]+\]):\d+$/, { error: 'must be address:port' })
  .transform((text) => {
    const at = text.lastIndexOf(':')
    return { host: text.slice(0, at).replace(/^\[|\]$/g, ''), port: Number(text.slice(at + 1)) }
  })
const nameServers = z
  .string()
  .regex(/^([\d.]+|\[[0-9a-f:]+\]):\d+(,([\d.]+|\[[0-9a-f:]+\]):\d+)*$/, { error: 'must be address:port' })
  .transform((text) => text.split(','))
const EVERYWHERE = new Set(['0.0.0.0', '::'])
const LOCAL = new Set(['127.0.0.1', '[::1]', 'localhost'])
const isSafe = (url: string): boolean => url.startsWith('https:') || LOCAL.has(new URL(url).hostname)

const environmentSchema = z
  .object({
    ATOLL_HOSTD_SOCKET: directory,
    ATOLL_STATE_DIR: directory,
    ATOLL_RUN_DIR: runDirectory,
    ATOLL_IMAGE_DIR: directory,
    ATOLL_TEMPLATE_DIR: directory,
    ATOLL_POOL: z.string().optional(),
    ATOLL_POOL_SIZE: z.coerce.number().int().min(0).max(LIMITS.vmsPerHostMax).default(4),
    ATOLL_POOL_MEMORY_MIB: z.coerce.number().int().min(0).optional(),
    ATOLL_SHELLS: z.coerce.number().int().min(0).max(LIMITS.forkChildrenMax).default(2),
    ATOLL_DEFAULT_SIZE: z.enum(SIZE_NAMES).default('small'),
    ATOLL_ACCEL: z.enum(['auto', 'kvm', 'tcg']).default('auto'),
    ATOLL_HOST_MEMORY_MIB: z.coerce.number().int().positive().optional(),
    ATOLL_HOST_DISK_MIB: z.coerce.number().int().positive().optional(),
    ATOLL_SNAPSHOT_DISK_MIB: z.coerce.number().int().min(0).optional(),
    ATOLL_STANDBY_AFTER_SEC: z.coerce.number().int().min(0).max(LIMITS.standbyAfterSecMax).default(300),
    ATOLL_MEMORY_OVERCOMMIT: z.coerce.number().positive().max(100).default(10),
    ATOLL_DISK_OVERCOMMIT: z.coerce.number().positive().max(100).default(20),
    ATOLL_VMS_MAX: z.coerce.number().int().positive().max(LIMITS.vmsPerHostMax).default(LIMITS.vmsPerHostMax),
    ATOLL_VM_UID_BASE: z.coerce.number().int().min(1_000).default(200_000),
    ATOLL_QEMU: z.string().default('qemu-system-x86_64'),
    ATOLL_EGRESS_ALLOW_PRIVATE: z.enum(['true', 'false']).default('false'),
    ATOLL_EGRESS_NAME_SERVERS: nameServers.optional(),
    ATOLL_HOSTD_LISTEN: listenSchema.optional(),
    ATOLL_HOSTD_URL: joinBody.shape.url.optional(),
    ATOLL_HOST_NAME: joinBody.shape.name,
    ATOLL_JOIN_URL: z
      .url({ protocol: /^https?$/ })
      .refine(isSafe, { error: 'must be https, because the token goes there' })
      .optional(),
    ATOLL_JOIN_TOKEN: z.string().refine(isWellFormedJoinToken, { error: 'is not a join token' }).optional(),
  })
  .refine((env) => env.ATOLL_HOSTD_URL !== undefined || !EVERYWHERE.has(env.ATOLL_HOSTD_LISTEN?.host ?? ''), {
    path: ['ATOLL_HOSTD_URL'],
    error: 'must say where controllers reach a host that listens on every address',
  })

export type Config = {
  socket: string
  stateDir: string
  runDir: string
  imageDir: string
  templateDir: string
  /** `floors` are always kept; `memoryMib` null leaves it to the host how much more is. */
  pool: { floors: PoolTarget[]; memoryMib: number | null }
  snapshotDiskMib: number | null
  shells: number
  standbyAfterSec: number
  accel: 'auto' | 'kvm' | 'tcg'
  promises: {
    memoryMib: number | null
    diskMib: number | null
    memoryOvercommit: number
    diskOvercommit: number
    vmsMax: number
  }
  uidBase: number
  qemu: string
  /** What an egress policy may open at most, and who is asked for names; undefined are this machine's own name servers. */
  egress: { reach: 'public' | 'private'; nameServers: string[] | undefined }
  /** How controllers on other machines reach this one; null is not at all. `url` is undefined when it is the address it listens on. */
  network: null | {
    listen: { host: string; port: number }
    url: string | undefined
    join: null | { regionUrl: string; token: string; name: string | undefined }
  }
}

/** Throws a ZodError that names every variable that is wrong. */
export function readConfig(environment: Record<string, string | undefined>): Config {
  const env = environmentSchema.parse(environment)
  return {
    socket: env.ATOLL_HOSTD_SOCKET,
    stateDir: env.ATOLL_STATE_DIR,
    runDir: env.ATOLL_RUN_DIR,
    imageDir: env.ATOLL_IMAGE_DIR,
    templateDir: env.ATOLL_TEMPLATE_DIR,
    pool: {
      floors: parsePoolTargets(env.ATOLL_POOL ?? `default@${env.ATOLL_DEFAULT_SIZE}=${env.ATOLL_POOL_SIZE}`),
      memoryMib: env.ATOLL_POOL_MEMORY_MIB ?? null,
    },
    snapshotDiskMib: env.ATOLL_SNAPSHOT_DISK_MIB ?? null,
    shells: env.ATOLL_SHELLS,
    standbyAfterSec: env.ATOLL_STANDBY_AFTER_SEC,
    accel: env.ATOLL_ACCEL,
    promises: {
      memoryMib: env.ATOLL_HOST_MEMORY_MIB ?? null,
      diskMib: env.ATOLL_HOST_DISK_MIB ?? null,
      memoryOvercommit: env.ATOLL_MEMORY_OVERCOMMIT,
      diskOvercommit: env.ATOLL_DISK_OVERCOMMIT,
      vmsMax: env.ATOLL_VMS_MAX,
    },
    uidBase: env.ATOLL_VM_UID_BASE,
    qemu: env.ATOLL_QEMU,
    egress: {
      reach: env.ATOLL_EGRESS_ALLOW_PRIVATE === 'true' ? 'private' : 'public',
      nameServers: env.ATOLL_EGRESS_NAME_SERVERS,
    },
    network: networkOf(env),
  }
}

function networkOf(env: z.infer<typeof environmentSchema>): Config['network'] {
  const { ATOLL_HOSTD_LISTEN: listen, ATOLL_HOSTD_URL: url, ATOLL_JOIN_URL: regionUrl, ATOLL_JOIN_TOKEN: token } = env
  if (listen === undefined) return null
  const join = regionUrl === undefined || token === undefined ? null : { regionUrl, token, name: env.ATOLL_HOST_NAME }
  return { listen, url, join }
}
