/**
 * Every setting of the local stack, with what it means: `npm start -- --help` prints this table.
 * Hosts and controllers read the settings of their own from the same environment (their config.ts says which).
 */
import { resolve } from 'node:path'
import * as z from 'zod'
import { SIZE_NAMES } from '../../shared/machines.ts'
import { REPOSITORY, shortHash } from './layout.ts'

const port = z.coerce.number().int().min(1).max(65_535)

const settings = z.object({
  ATOLL_EDGE_PORT: port.default(8787).describe('port of the smart endpoint on 127.0.0.1'),
  ATOLL_USW1_PORT: port.default(4001).describe('port of region usw1 on 127.0.0.1'),
  ATOLL_EU1_PORT: port.default(4002).describe('port of region eu1 on 127.0.0.1'),
  ATOLL_POOL_SIZE: z.coerce
    .number()
    .int()
    .min(0)
    .max(64)
    .default(4)
    .describe('primed machines that each region keeps ready'),
  ATOLL_DEFAULT_SIZE: z.enum(SIZE_NAMES).default('xs').describe('size of a sandbox that names none'),
  ATOLL_ACCEL: z
    .enum(['auto', 'kvm', 'tcg'])
    .default('auto')
    .describe('auto uses KVM where it works, else software emulation'),
  DATABASE_URL: z
    .string()
    .startsWith('postgres')
    .optional()
    .describe(
      'a PostgreSQL 15+ server to use instead of the embedded one; each region makes a database of its own on it',
    ),
  ATOLL_STATE_DIR: z.string().default(`${REPOSITORY}/.atoll`).describe('where everything that survives a restart lies'),
  ATOLL_CACHE_DIR: z.string().optional().describe('where images and templates lie; by default in the state folder'),
  ATOLL_RUN_DIR: z.string().optional().describe('where unix sockets lie; a short path'),
})

export type LocalConfig = ReturnType<typeof readConfig>

/** The settings, or an error that names the wrong one and what it may be. */
export function readConfig(env: NodeJS.ProcessEnv) {
  const read = settings.safeParse(env)
  if (!read.success) {
    const [issue] = read.error.issues
    throw new Error(
      `${String(issue?.path[0])} is not usable: ${issue?.message}. "npm start -- --help" lists the settings.`,
    )
  }
  const stateDir = resolve(read.data.ATOLL_STATE_DIR)
  return {
    edgePort: read.data.ATOLL_EDGE_PORT,
    regionPorts: { usw1: read.data.ATOLL_USW1_PORT, eu1: read.data.ATOLL_EU1_PORT } as Record<string, number>,
    poolSize: read.data.ATOLL_POOL_SIZE,
    defaultSize: read.data.ATOLL_DEFAULT_SIZE,
    accel: read.data.ATOLL_ACCEL,
    databaseUrl: read.data.DATABASE_URL,
    stateDir,
    cacheDir: resolve(read.data.ATOLL_CACHE_DIR ?? `${stateDir}/cache`),
    /** The user who came through sudo; null when root came by itself. */
    owner: env.SUDO_UID === undefined ? null : Number(env.SUDO_UID),
    runDir: read.data.ATOLL_RUN_DIR ?? `/run/atoll/${shortHash(stateDir)}`,
  }
}

/** The table of settings, one a line. */
export function describeSettings(): string {
  return Object.entries(settings.shape)
    .map(([name, field]) => {
      const standard = field.safeParse(undefined)
      const value = standard.success && standard.data !== undefined ? ` (${String(standard.data)})` : ''
      return `  ${name.padEnd(20)} ${field.description}${value}`
    })
    .join('\n')
}
