/** A region of the local stack: its host's daemon and its controller, with what each needs to know. */
import { mkdir, writeFile } from 'node:fs/promises'
import { request } from 'undici'
import { type Region, type RegionCapacity, regionCapacitySchema } from '../../shared/regions.ts'
import type { LocalConfig } from './config.ts'
import { regionDatabase } from './databases.ts'
import { type Layout, REPOSITORY } from './layout.ts'
import { publicKeySet, type Secrets, seedOf } from './secrets.ts'
import { Service, type ServiceSpec } from './service.ts'

/** Two daemons on one machine must not give the same user id to two machines. */
const VM_UID_BASE = 200_000
const VM_UIDS_PER_HOST = 10_000

export type RegionSetting = {
  config: LocalConfig
  layout: Layout
  secrets: Secrets
  region: Region
  /** Which of the regions this is, from 0. */
  index: number
  /** All of them, which callers are told of. */
  regions: Region[]
  /** The region that keeps the accounts. */
  home: Region
  imageDir: string
  watch: Pick<ServiceSpec, 'onChange' | 'log'>
}

/** SIGUSR2 brings every sandbox to disk, where the next start of the daemon has it; SIGTERM would leave the machines running till then. */
export async function startHost({ config, layout, region, index, imageDir, watch }: RegionSetting): Promise<Service> {
  const place = layout.region(region.code)
  for (const dir of [place.hostDir, place.runDir]) await mkdir(dir, { recursive: true })
  return new Service({
    name: `${region.code}.hostd`,
    script: `${REPOSITORY}/origin/hostd/main.ts`,
    stopSignal: 'SIGUSR2',
    logFile: `${layout.logDir}/${region.code}.hostd.log`,
    env: {
      ATOLL_HOSTD_SOCKET: place.hostSocket,
      ATOLL_STATE_DIR: place.hostDir,
      ATOLL_RUN_DIR: place.runDir,
      ATOLL_IMAGE_DIR: imageDir,
      ATOLL_TEMPLATE_DIR: layout.templateCacheDir,
      ATOLL_POOL_SIZE: String(config.poolSize),
      ATOLL_DEFAULT_SIZE: config.defaultSize,
      ATOLL_ACCEL: config.accel,
      ATOLL_VM_UID_BASE: String(VM_UID_BASE + index * VM_UIDS_PER_HOST),
    },
    ...watch,
  })
}

export async function startController({
  config,
  layout,
  secrets,
  region,
  regions,
  home,
  watch,
}: RegionSetting): Promise<Service> {
  const place = layout.region(region.code)
  await mkdir(place.runDir, { recursive: true })
  await mkdir(place.databaseDir, { recursive: true })
  const accounts = await accountSettings({ config, layout, secrets, region, home })
  const database =
    config.databaseUrl === undefined
      ? { ATOLL_DATA_DIR: place.databaseDir, DATABASE_URL: undefined }
      : { DATABASE_URL: await regionDatabase(config.databaseUrl, region.code) }
  return new Service({
    name: `${region.code}.controller`,
    script: `${REPOSITORY}/origin/controller/main.ts`,
    stopSignal: 'SIGTERM',
    logFile: `${layout.logDir}/${region.code}.controller.log`,
    env: {
      ATOLL_REGION: region.code,
      ATOLL_REGION_NAME: region.name,
      ATOLL_REGIONS: JSON.stringify(regions.map(({ code, name, directUrl: url }) => ({ code, name, url }))),
      ATOLL_LISTEN: new URL(region.url).host,
      ATOLL_RUN_DIR: place.runDir,
      ATOLL_HOSTS: `local=unix:${place.hostSocket}`,
      ATOLL_EDGE_JWKS: JSON.stringify(publicKeySet(secrets)),
      ATOLL_KEY_PEPPER: secrets.pepper,
      ATOLL_INTERNAL_TOKEN: secrets.internalToken,
      ATOLL_OPERATOR_TOKEN: secrets.operatorToken,
      // The servers of whoever develops here are on this machine, too.
      ATOLL_WEBHOOK_ALLOW_PRIVATE: 'true',
      ATOLL_QUOTA_URL: `http://127.0.0.1:${config.edgePort}`,
      ATOLL_PREVIEW_URL: `http://preview.localhost:${config.edgePort}`,
      ATOLL_DEFAULT_SIZE: config.defaultSize,
      ...accounts,
      ...database,
    },
    ...watch,
  })
}

/** One region keeps the accounts and tells the edge; the others know nothing but what it tells them. */
async function accountSettings({
  config,
  layout,
  secrets,
  region,
  home,
}: Pick<RegionSetting, 'config' | 'layout' | 'secrets' | 'region' | 'home'>): Promise<ServiceSpec['env']> {
  const { seedFile } = layout.region(region.code)
  if (region.code !== home.code)
    return { ATOLL_HOME_URL: home.url, ATOLL_EDGE_URL: undefined, ATOLL_SEED_FILE: undefined }
  await writeFile(seedFile, JSON.stringify(seedOf(secrets)), { mode: 0o600 })
  const edgeUrl = `http://127.0.0.1:${config.edgePort}`
  return { ATOLL_HOME_URL: undefined, ATOLL_EDGE_URL: edgeUrl, ATOLL_SEED_FILE: seedFile }
}

/** What the region says of its room, or null while it does not answer. */
export async function readCapacity(region: Region, secrets: Secrets): Promise<RegionCapacity | null> {
  try {
    const answer = await request(`${region.url}/v1/capacity`, {
      headers: { authorization: `Bearer ${secrets.internalToken}` },
      headersTimeout: 2_000,
      bodyTimeout: 2_000,
    })
    const body = await answer.body.json()
    return answer.statusCode === 200 ? regionCapacitySchema.parse(body) : null
  } catch {
    return null
  }
}
