/**
 * The edge on this machine: the real Worker in real workerd, with the bindings that wrangler.toml declares.
 *
 * Cron triggers do not fire by themselves here, so a timer calls them. `request.cf` is empty unless a request carries the header
 * MF-CF-Blob with JSON in it, which only this runtime understands.
 */
import { fileURLToPath } from 'node:url'
import { convertV4MiniflareOptions, Miniflare } from 'miniflare'
import { unstable_getMiniflareWorkerOptions } from 'wrangler'
import type { KeyRecord, Tiers } from '../../shared/accounts.ts'
import type { RegionRegistry } from '../../shared/regions.ts'
import { bundleEdge } from './bundle-edge.ts'
import { workerdProgram } from './workerd-program.ts'

export type EdgeSecrets = {
  /** A private Ed25519 JWK as JSON, with a kid. */
  EDGE_SIGNING_KEY: string
  KEY_PEPPER: string
  INTERNAL_TOKEN: string
}

export type KvNamespace = 'CONFIG' | 'KEYS' | 'CAPACITY'

export type LocalEdgeOptions = {
  host: string
  /** 0 takes any free port. */
  port: number
  /** Where KV lives; left out, it is forgotten at the end. */
  persistDir?: string
  secrets: EdgeSecrets
  /** Other settings than those of wrangler.toml. */
  vars?: Record<string, string>
  /** Written to KV before the first request; left out, whatever KV holds already stays. */
  registry?: RegionRegistry
  tiers?: Tiers
  /** By hex HMAC-SHA256(pepper, key). */
  keys?: Record<string, KeyRecord>
  /** Another Worker than the real one, such as one that looks at it through a slower store. */
  entry?: string
  /** How often the capacity of the regions is read; left out, only `runCron` does it. */
  cronMs?: number
}

export type LocalEdge = {
  url: URL
  /** Null writes nothing and removes the record. */
  putKv(namespace: KvNamespace, key: string, value: unknown): Promise<void>
  readKv(namespace: KvNamespace, key: string): Promise<unknown>
  /** Resolves when the Worker's scheduled handler is done. */
  runCron(): Promise<void>
  stop(): Promise<void>
}

const WRANGLER_FILE = fileURLToPath(new URL('../../wrangler.toml', import.meta.url))
const ENTRY = fileURLToPath(new URL('../../edge/main.ts', import.meta.url))
const WORKERD_WITH_PARENT = fileURLToPath(new URL('./workerd-with-parent.sh', import.meta.url))

/** Rejects when the port is taken or the Worker does not compile; nothing is left running then. */
export async function startLocalEdge(options: LocalEdgeOptions): Promise<LocalEdge> {
  process.env.MINIFLARE_WORKERD_PATH = WORKERD_WITH_PARENT
  const runtime = new Miniflare(await runtimeOptions(options))
  try {
    const url = await runtime.ready
    const edge = edgeOn(runtime, url)
    await seed(edge, options)
    const timer =
      options.cronMs === undefined ? null : setInterval(() => void edge.runCron().catch(reportCron), options.cronMs)
    return { ...edge, stop: () => stop(runtime, timer) }
  } catch (error) {
    await runtime.dispose()
    throw error
  }
}

async function runtimeOptions(options: LocalEdgeOptions): Promise<ConstructorParameters<typeof Miniflare>[0]> {
  const { modulesRules: _, ...worker } = unstable_getMiniflareWorkerOptions(WRANGLER_FILE).workerOptions
  return convertV4MiniflareOptions({
    ...worker,
    bindings: Object.assign({}, worker.bindings, options.vars, options.secrets),
    modules: true,
    script: await bundleEdge(options.entry ?? ENTRY),
    host: options.host,
    port: options.port,
    cf: {},
    logRequests: false,
    telemetry: { enabled: false },
    unsafeRuntimeEnv: { ATOLL_WORKERD: workerdProgram() },
    ...(options.persistDir === undefined ? {} : { resourcePersistencePath: options.persistDir }),
  })
}

function edgeOn(runtime: Miniflare, url: URL): Omit<LocalEdge, 'stop'> {
  return {
    url,
    async putKv(namespace, key, value) {
      const store = await runtime.getKVNamespace(namespace)
      await (value === null ? store.delete(key) : store.put(key, JSON.stringify(value)))
    },
    async readKv(namespace, key) {
      const store = await runtime.getKVNamespace(namespace)
      return store.get(key, 'json')
    },
    async runCron() {
      const worker = await runtime.getWorker()
      await worker.scheduled({ cron: '* * * * *' })
    },
  }
}

async function seed(edge: Pick<LocalEdge, 'putKv'>, { registry, tiers, keys }: LocalEdgeOptions): Promise<void> {
  if (registry !== undefined) await edge.putKv('CONFIG', 'regions:v1', registry)
  if (tiers !== undefined) await edge.putKv('CONFIG', 'tiers:v1', tiers)
  for (const [hash, record] of Object.entries(keys ?? {})) await edge.putKv('KEYS', `k:${hash}`, record)
}

/** A tick that fails is no reason to end: the next one comes. */
const reportCron = (error: unknown): void => console.error('The capacity poll failed:', error)

async function stop(runtime: Miniflare, timer: NodeJS.Timeout | null): Promise<void> {
  if (timer !== null) clearInterval(timer)
  await runtime.dispose()
}
