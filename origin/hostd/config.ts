/**
 * Everything that may be set about a host, read once from the environment. The table is the documentation.
 *
 *   ATOLL_HOSTD_SOCKET        the unix socket this daemon answers on
 *   ATOLL_STATE_DIR           the journal, and the disks of machines; survives a restart
 *   ATOLL_RUN_DIR             the machines' own sockets; a short path, because the kernel allows a socket's path 107 bytes
 *   ATOLL_IMAGE_DIR           a guest image: a directory with image.json
 *   ATOLL_TEMPLATE_DIR        booted templates and the verdict on KVM; several daemons of one machine may share it
 *   ATOLL_POOL                primed machines to keep: `default@xs=4,default@small=2`, or nothing for the line below
 *   ATOLL_POOL_SIZE           primed machines of the default template and the default size
 *   ATOLL_DEFAULT_SIZE        xs, small, medium, large or xl
 *   ATOLL_ACCEL               auto, kvm or tcg; auto tries KVM once per machine and remembers
 *   ATOLL_HOST_MEMORY_MIB     memory to promise in all; by default the machine's, times ATOLL_MEMORY_OVERCOMMIT
 *   ATOLL_HOST_DISK_MIB       disk to promise in all; by default the file system's, times ATOLL_DISK_OVERCOMMIT
 *   ATOLL_MEMORY_OVERCOMMIT   a clone costs only the pages it writes, and what is truly free is checked before every start
 *   ATOLL_DISK_OVERCOMMIT     a disk costs only the blocks it writes, and what is truly free is checked before every start
 *   ATOLL_VMS_MAX             sandboxes at a time
 *   ATOLL_VM_UID_BASE         the first of the user ids that machines run under, one each; used only when started by root
 *   ATOLL_QEMU                the QEMU program
 */
import * as z from 'zod'
import { LIMITS } from '../../shared/limits.ts'
import { SIZE_NAMES } from '../../shared/machines.ts'
import { type PoolTarget, parsePoolTargets } from './pool/targets.ts'

const directory = z.string().regex(/^\//, { error: 'must be an absolute path' })
/** A machine's directory and socket are added to it: `/m-0123456789ab/incoming.sock`. */
const runDirectory = directory.refine((path) => path.length + 32 <= LIMITS.unixPathBytesMax, {
  error: `must leave room for socket names within ${LIMITS.unixPathBytesMax} bytes`,
})

const environmentSchema = z.object({
  ATOLL_HOSTD_SOCKET: directory,
  ATOLL_STATE_DIR: directory,
  ATOLL_RUN_DIR: runDirectory,
  ATOLL_IMAGE_DIR: directory,
  ATOLL_TEMPLATE_DIR: directory,
  ATOLL_POOL: z.string().optional(),
  ATOLL_POOL_SIZE: z.coerce.number().int().min(0).max(LIMITS.vmsPerHostMax).default(4),
  ATOLL_DEFAULT_SIZE: z.enum(SIZE_NAMES).default('small'),
  ATOLL_ACCEL: z.enum(['auto', 'kvm', 'tcg']).default('auto'),
  ATOLL_HOST_MEMORY_MIB: z.coerce.number().int().positive().optional(),
  ATOLL_HOST_DISK_MIB: z.coerce.number().int().positive().optional(),
  ATOLL_MEMORY_OVERCOMMIT: z.coerce.number().positive().max(100).default(10),
  ATOLL_DISK_OVERCOMMIT: z.coerce.number().positive().max(100).default(20),
  ATOLL_VMS_MAX: z.coerce.number().int().positive().max(LIMITS.vmsPerHostMax).default(LIMITS.vmsPerHostMax),
  ATOLL_VM_UID_BASE: z.coerce.number().int().min(1_000).default(200_000),
  ATOLL_QEMU: z.string().default('qemu-system-x86_64'),
})

export type Config = {
  socket: string
  stateDir: string
  runDir: string
  imageDir: string
  templateDir: string
  pool: PoolTarget[]
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
    pool: parsePoolTargets(env.ATOLL_POOL ?? `default@${env.ATOLL_DEFAULT_SIZE}=${env.ATOLL_POOL_SIZE}`),
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
  }
}
