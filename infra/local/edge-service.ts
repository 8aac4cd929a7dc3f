/** The edge of the local stack as a service: what it needs to know goes to its process by one environment variable. */
import type { RegionRegistry } from '../../shared/regions.ts'
import type { LocalEdgeOptions } from '../edge/local-edge.ts'
import type { LocalConfig } from './config.ts'
import { type Layout, REPOSITORY } from './layout.ts'
import type { Secrets } from './secrets.ts'
import { Service, type ServiceSpec } from './service.ts'

/** On this machine nothing is far, so a region that dies or comes back is noticed sooner than by the minute's cron of a deployment. */
const CAPACITY_POLL_MS = 5_000

export type EdgeSetting = {
  config: LocalConfig
  layout: Layout
  secrets: Secrets
  registry: RegionRegistry
  watch: Pick<ServiceSpec, 'onChange' | 'log'>
}

export function startEdge({ config, layout, secrets, registry, watch }: EdgeSetting): Service {
  const options: LocalEdgeOptions = {
    host: '127.0.0.1',
    port: config.edgePort,
    persistDir: layout.edgeDir,
    secrets: {
      EDGE_SIGNING_KEY: JSON.stringify(secrets.signingKey),
      KEY_PEPPER: secrets.pepper,
      INTERNAL_TOKEN: secrets.internalToken,
    },
    registry,
    cronMs: CAPACITY_POLL_MS,
  }
  return new Service({
    name: 'edge',
    script: `${REPOSITORY}/infra/local/edge-main.ts`,
    stopSignal: 'SIGTERM',
    logFile: `${layout.logDir}/edge.log`,
    env: { ATOLL_LOCAL_EDGE: JSON.stringify(options) },
    ...watch,
  })
}
