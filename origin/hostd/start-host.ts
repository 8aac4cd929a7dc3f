/** Puts a host together, in stages: what the machine is, what runs on it already, and what is kept ready. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { LIMITS } from '../../shared/limits.ts'
import { decideAccel } from './accel/decide.ts'
import { cpuModel, kernelRelease, tscKhz } from './accel/host-machine.ts'
import { bootsOnKvm } from './accel/probe.ts'
import { readMachineFacts } from './capacity/machine-facts.ts'
import { promisesOf } from './capacity/room.ts'
import { openCgroups } from './cgroup/cgroups.ts'
import { diskDeviceOf } from './cgroup/disk-device.ts'
import { surveyCgroups } from './cgroup/survey.ts'
import type { Config } from './config.ts'
import { Egress } from './egress/egress.ts'
import { lockFile } from './file-lock.ts'
import type { Host } from './host.ts'
import { readImage } from './image.ts'
import { Journal } from './journal/journal.ts'
import type { Log } from './log.ts'
import { Owners } from './machine/owners.ts'
import { refuseClosed } from './machine/reach.ts'
import { Shells } from './machine/shells.ts'
import type { Site } from './machine/start.ts'
import { createMetrics } from './metrics/instruments.ts'
import { observeHost } from './metrics/observe-host.ts'
import { wireOf } from './metrics/observe-wire.ts'
import { keepPool } from './pool/keep-pool.ts'
import { qemuVersion } from './qemu/tools.ts'
import { LayerStore } from './snapshot/layer-store.ts'
import { surroundingsOf } from './snapshot/manifest.ts'
import { SnapshotStore } from './snapshot/snapshot-store.ts'
import { TemplateStore } from './template/store.ts'
import { recover } from './vm/adopt.ts'
import { Registry } from './vm/registry.ts'
import { StartGate } from './vm/start-gate.ts'

const MIB = 1024 * 1024
const OWN_FILES_WAIT_MS = 5_000

/** Throws AppError when the image, QEMU or the directories are not usable, or another daemon uses them. */
export async function startHost(config: Config, draining: AbortSignal, log: Log): Promise<Host> {
  for (const path of [config.stateDir, config.runDir, config.templateDir]) await mkdir(path, { recursive: true })
  // Held until this process ends: two daemons with one journal would each reap what the other starts.
  await lockFile(join(config.stateDir, 'lock'), OWN_FILES_WAIT_MS)

  const metrics = createMetrics()
  const journal = new Journal(config.stateDir)
  const registry = new Registry(journal, await journal.readLosses(), log, ({ cause = 'died' }) =>
    metrics.losses.inc({ cause }),
  )
  const facts = (): ReturnType<typeof readMachineFacts> => readMachineFacts(config.stateDir)
  const gate = new StartGate(LIMITS.vmStartsAtOnceMax, LIMITS.vmStartsWaitingMax)
  const isMemoryShort = (): boolean => facts().memoryAvailableMib < LIMITS.hostMemoryReserveMib
  const claims = metrics.shellClaims
  const shells = new Shells({ count: config.shells, turn: () => gate.idle(), isMemoryShort, claims, log })
  const { site, around } = await surveySite(config, journal, { wire: wireOf(metrics), shells }, log)
  const snapshots = await SnapshotStore.open(config.stateDir, {
    budgetBytes: (config.snapshotDiskMib ?? facts().diskTotalMib * LIMITS.snapshotDiskShare) * MIB,
    facts,
    surroundings: surroundingsOf(around),
    layers: site.layers,
    onTaken: ({ kind, stopped_ms }) => metrics.captureStops.observe({ kind }, stopped_ms / 1_000),
    log,
  })
  const egress = await Egress.open(config.stateDir, { registry, metrics, log }, config.egress)
  await recover({ site, journal, registry, snapshots, log })
  egress.start()
  await snapshots.sweep()

  const templates = new TemplateStore(config.templateDir, site, around, config.pool.floors, log)
  const pool = keepPool({ site, templates, gate, facts, metrics, log }, config.pool)
  const promises = promisesOf(config.promises, facts())
  const host = {
    site,
    journal,
    registry,
    templates,
    pool,
    snapshots,
    egress,
    gate,
    promises,
    facts,
    metrics,
    draining,
    log,
  }
  observeHost(host)
  return host
}

/** What machines are made of here, and everything a saved one depends on. */
async function surveySite(config: Config, journal: Journal, rest: Pick<Site, 'wire' | 'shells'>, log: Log) {
  const [image, version, khz] = await Promise.all([readImage(config.imageDir), qemuVersion(config.qemu), tscKhz()])
  const isRoot = process.getuid?.() === 0
  if (isRoot) refuseClosed(config.runDir)
  const owners = new Owners(isRoot ? config.uidBase : null, 2 * LIMITS.vmsPerHostMax)
  const places = { machinesDir: journal.machinesDir, runDir: config.runDir }
  const { runDir, stateDir } = config
  const cgroups = await openCgroups({ survey: await surveyCgroups(), runDir, device: diskDeviceOf(stateDir), log })
  const layers = await LayerStore.open(stateDir, image, log)
  const site = { program: config.qemu, image, tscKhz: khz, owners, places, cgroups, layers, ...rest }
  const host = { cpuModel: cpuModel(), kernelRelease: kernelRelease(), qemuVersion: version }
  const verdict = await decideAccel(config.accel, config.templateDir, host, () => bootsOnKvm(site))
  log('accelerator', { accel: verdict.accel, why: verdict.why })
  const around = { imageId: image.id, accel: verdict.accel, qemuVersion: version, cpuModel: host.cpuModel }
  return { site: { ...site, accel: verdict.accel } satisfies Site, around }
}
