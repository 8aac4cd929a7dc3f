/**
 * `npm start`: the whole of Atoll on one machine, in the foreground: an edge on real workerd, two regions, real microVMs.
 *
 * The order is the story: refuse early, install, build, start, wait until it truly works, say how to use it, watch.
 */
import { mkdirSync, rmSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { LIMITS } from '../../shared/limits.ts'
import type { RegionRegistry } from '../../shared/regions.ts'
import { buildImage } from '../image/build.ts'
import { IMAGE_PACKAGES } from '../image/packages.ts'
import { ensurePackages } from '../setup/packages.ts'
import { describeSettings, type LocalConfig, readConfig } from './config.ts'
import { removeDevFile, writeDevFile } from './dev-file.ts'
import { devRegistry, homeOf } from './dev-regions.ts'
import { startEdge } from './edge-service.ts'
import { refuseSecondStart, takeExclusive } from './exclusive.ts'
import { HOST_PACKAGES } from './host-packages.ts'
import { type Layout, layoutOf, shownPath } from './layout.ts'
import { refuseWhatCannotWork } from './preflight.ts'
import { type Progress, progressTo } from './progress.ts'
import { waitForRegion, waitForRun } from './ready.ts'
import { startController, startHost } from './region-services.ts'
import { loadOrMakeSecrets } from './secrets.ts'
import type { Service } from './service.ts'
import { childPid, type Inner, postgresPid, watchInner } from './watch-inner.ts'

/** A host brings its sandboxes to disk before it ends. */
const STOP_WAIT_MS = LIMITS.evacuateMs + 20_000

const flags = readFlags()
if (flags.help) {
  console.log(
    `npm start [-- --fresh]\n\n  --fresh              forget every sandbox, key and database first\n\n${describeSettings()}`,
  )
  process.exit(0)
}

const progress = progressTo(process.stderr, () => performance.now())
const services: Service[] = []
const stopping = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stopping.abort())

try {
  const config = readConfig(process.env)
  const layout = layoutOf(config.stateDir, config.cacheDir, config.runDir)
  refuseSecondStart(layout.lockFile)
  await refuseWhatCannotWork(config)
  mkdirSync(layout.stateDir, { recursive: true })
  const release = takeExclusive(layout.lockFile)
  try {
    if (flags.fresh) forget(layout)
    await bringUp(config, layout, progress)
    await untilStopped()
  } finally {
    await takeDown(layout)
    release()
  }
} catch (thrown) {
  if (!stopping.signal.aborted) {
    progress.note(`\n${thrown instanceof Error ? thrown.message : String(thrown)}`)
    process.exitCode = 1
  }
}
process.exit()

/** Ctrl-C may have come while the last step of the start was under way. */
async function untilStopped(): Promise<void> {
  if (stopping.signal.aborted) return
  await new Promise((resolve) => stopping.signal.addEventListener('abort', resolve, { once: true }))
}

function readFlags(): { fresh?: boolean; help?: boolean } {
  try {
    return parseArgs({ options: { fresh: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } } }).values
  } catch (thrown) {
    console.error(`${(thrown as Error).message}\n"npm start -- --help" says what there is.`)
    process.exit(2)
  }
}

async function bringUp(config: LocalConfig, layout: Layout, { step, note }: Progress): Promise<void> {
  await step('Debian packages', (log) => ensurePackages([...HOST_PACKAGES, ...IMAGE_PACKAGES], log))
  const imageDir = await step('guest image', (log) =>
    buildImage({ cacheDir: layout.imageCacheDir, log, signal: stopping.signal }),
  )
  const secrets = await loadOrMakeSecrets(layout.secretsFile)
  const registry = devRegistry(config.regionPorts)
  const edgeUrl = `http://127.0.0.1:${config.edgePort}`
  const regions = Object.fromEntries(registry.regions.map((region) => [region.code, region.url]))
  let isUp = false
  const told = { edge: edgeUrl, regions, api_key: secrets.apiKey }
  const watch = {
    onChange: () => isUp && writeDevFile(layout.devFile, told, services, config.owner),
    log: note,
  }

  const home = homeOf(registry)
  const regionSettings = registry.regions.map((region, index) => {
    return { config, layout, secrets, region, index, regions: registry.regions, home, imageDir, watch }
  })
  for (const setting of regionSettings) {
    await step(`region ${setting.region.code} (${setting.region.url})`, async (log) => {
      services.push(await startHost(setting), await startController(setting))
      await waitForRegion(setting, log, stopping.signal)
    })
  }
  await step(`edge (${edgeUrl})`, async () => {
    services.push(startEdge({ config, layout, secrets, registry, watch }))
    await waitForRun(edgeUrl, secrets.apiKey, stopping.signal)
  })
  isUp = true
  watch.onChange()
  await watchInner(innerOf(layout, registry), note, stopping.signal)
  note(`
Atoll is up. Its key is ${secrets.apiKey}

  curl -s ${edgeUrl}/v1/sandboxes/run \\
    -H "Authorization: Bearer ${secrets.apiKey}" -H "Content-Type: application/json" \\
    -d '{"command": "echo $((1+1))"}'

Regions directly: ${Object.entries(regions)
    .map(([code, url]) => `${code} ${url}`)
    .join(
      ', ',
    )}. Logs: ${shownPath(layout.logDir)}. Ctrl-C stops everything; sandboxes are paused on disk, and there again after the next start.`)
}

/** What services of ours keep alive by themselves. A database that is not ours has no file here, and is not looked at. */
function innerOf(layout: Layout, { regions }: RegionRegistry): Inner[] {
  const keeper = (name: string) => () => services.find((service) => service.name === name)?.pid ?? null
  const edge = keeper('edge')
  const databases = regions.map(({ code }) => ({
    name: `PostgreSQL of ${code}`,
    keeper: keeper(`${code}.controller`),
    pid: () => postgresPid(layout.region(code).databaseDir),
  }))
  return [...databases, { name: 'workerd, which runs the edge,', keeper: edge, pid: () => childPid(edge(), 'workerd') }]
}

/** The edge first, so that nobody is let in any more; hosts last, because they bring the machines to disk. */
async function takeDown(layout: Layout): Promise<void> {
  if (services.length > 0) progress.note('\nStopping ...')
  removeDevFile(layout.devFile)
  const order = ['edge', 'controller', 'hostd']
  for (const kind of order) {
    const stopped = services
      .filter((service) => service.name.endsWith(kind))
      .map((service) => service.stop(STOP_WAIT_MS))
    await Promise.all(stopped)
  }
}

/** Everything but the caches: images and templates hold nobody's data and take minutes to make. */
function forget(layout: Layout): void {
  for (const path of [layout.edgeDir, layout.secretsFile, `${layout.stateDir}/regions`, layout.logDir]) {
    rmSync(path, { recursive: true, force: true })
  }
}
