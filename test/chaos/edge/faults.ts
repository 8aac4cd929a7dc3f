/** What may go wrong in a history, by name: struck at a drawn moment, and undone after a drawn while. */
import { setTimeout as sleep } from 'node:timers/promises'
import { AppError } from '../../../shared/errors.ts'
import type { Mishap } from '../../integration/controller/support/host-double.ts'
import { until } from '../../integration/controller/support/region.ts'
import { pick } from './ask.ts'
import type { RegionSite } from './region-site.ts'
import type { Way } from './way.ts'
import { type Tenant, TIER_LIMITS, type World } from './world.ts'

type Scene = { world: World; tenants: readonly Tenant[]; draw: () => number }
type Undo = () => Promise<unknown>
type Strike = {
  /** Two faults of one target do not overlap. */
  target: string
  strike: () => Promise<Undo>
}
type Fault = (scene: Scene) => Strike

/** Of one history. */
const FAULTS_MIN = 3
const FAULTS_MORE = 8
const UNDONE_WITHIN_MS = 90_000
const NOTHING: Undo = async () => undefined
const SLOW_WAY_MS = 1_200
const SLOW_HOST_MS = 400

const anyRegion = (scene: Scene): RegionSite => pick(scene, scene.world.regions)

const killController: Fault = (scene) => {
  const site = anyRegion(scene)
  const victim = pick(scene, site.controllers)
  const strike = async (): Promise<Undo> => {
    await victim.kill()
    return () => site.revive(victim)
  }
  return { target: `controllers of ${site.code}`, strike }
}

const killRegion: Fault = (scene) => {
  const site = anyRegion(scene)
  const strike = async (): Promise<Undo> => {
    await Promise.all(site.controllers.map((one) => one.kill()))
    return () => Promise.all(site.controllers.map((one) => site.revive(one)))
  }
  return { target: `controllers of ${site.code}`, strike }
}

/**
 * An operator takes a dead region for lost, and gives what it held to the others. Its rows still say so until its first controller gives
 * its share up, and what still runs there counts when it is back; until some of that has ended there may be as many more.
 */
const fenceRegion: Fault = (scene) => {
  const site = anyRegion(scene)
  const { world, tenants } = scene
  const strike = async (): Promise<Undo> => {
    await Promise.all(site.controllers.map((one) => one.kill()))
    for (const tenant of tenants) {
      const rows = await site
        .sql<{ held: number }>('select greatest(granted, used) as held from quota_grant where tenant = $1', [tenant.id])
        .catch(() => undefined)
      // Without its database nobody knows what would come back.
      if (rows === undefined) break
      tenant.limitMax += rows[0]?.held ?? 0
      await world.fence(site.code, tenant)
    }
    return () => Promise.all(site.controllers.map((one) => site.revive(one)))
  }
  return { target: `controllers of ${site.code}`, strike }
}

const stopDatabase: Fault = (scene) => {
  const { code, database } = anyRegion(scene)
  const strike = async (): Promise<Undo> => {
    await database.stop()
    return database.start
  }
  return { target: `database of ${code}`, strike }
}

const dropEdge: Fault = ({ world: { edge } }) => {
  const strike = async (): Promise<Undo> => {
    await edge.drop()
    return edge.start
  }
  return { target: 'edge', strike }
}

/** With the whole edge also these are gone, so it comes to nothing then. */
const evictObject: Fault = (scene) => {
  const [what, tenant] = [pick(scene, ['quota', 'keys'] as const), pick(scene, scene.tenants)]
  const strike = async (): Promise<Undo> => {
    await scene.world.edge.evict(what, tenant.id).catch(() => undefined)
    return NOTHING
  }
  return { target: `${what} of ${tenant.id}`, strike }
}

const anyWay = (scene: Scene): { name: string; way: Way } => {
  const { code, way, wayOut } = anyRegion(scene)
  return scene.draw() < 0.7 ? { name: `way to ${code}`, way } : { name: `way from ${code}`, way: wayOut }
}

const cutWay: Fault = (scene) => {
  const { name, way } = anyWay(scene)
  const strike = async (): Promise<Undo> => {
    way.cut()
    return NOTHING
  }
  return { target: name, strike }
}

/** Broken again and again while requests are under way: some have arrived, and their answers have not. */
const tearWay: Fault = (scene) => {
  const { name, way } = anyWay(scene)
  const everyMs = 40 + scene.draw() * 160
  const strike = async (): Promise<Undo> => {
    const timer = setInterval(() => way.cut(), everyMs)
    return async () => clearInterval(timer)
  }
  return { target: name, strike }
}

const blockWay: Fault = (scene) => {
  const { name, way } = anyWay(scene)
  const strike = async (): Promise<Undo> => {
    way.block()
    return async () => way.open()
  }
  return { target: name, strike }
}

/** So slow that who asks gives up, and the request arrives all the same. */
const slowWay: Fault = (scene) => {
  const { name, way } = anyWay(scene)
  const usualMs = way.lengthMs()
  const strike = async (): Promise<Undo> => {
    way.setLength(SLOW_WAY_MS)
    return async () => way.setLength(usualMs)
  }
  return { target: name, strike }
}

const hostAway: Fault = (scene) => {
  const { code, host } = anyRegion(scene)
  const strike = async (): Promise<Undo> => {
    await host.away()
    return host.back
  }
  return { target: `host of ${code}`, strike }
}

const hostMishaps: Fault = (scene) => {
  const { code, host } = anyRegion(scene)
  const kinds: Mishap[] = [
    { kind: 'fail', error: new AppError('boot_failed', 'The kernel panicked.') },
    { kind: 'refuse', error: new AppError('capacity_exhausted', 'It is busy.') },
    { kind: 'die_before_ready' },
    { kind: 'die_after_ready' },
    { kind: 'nonsense' },
  ]
  const mishaps = Array.from({ length: 1 + Math.floor(scene.draw() * 4) }, () => pick(scene, kinds))
  const strike = async (): Promise<Undo> => {
    host.mishaps.push(...mishaps)
    host.slowMs = SLOW_HOST_MS
    return async () => {
      host.mishaps.length = 0
      host.slowMs = 0
    }
  }
  return { target: `host of ${code}`, strike }
}

const failKv: Fault = ({ world: { edge } }) => {
  const strike = async (): Promise<Undo> => {
    await edge.setKv({ isFailing: true }).catch(() => undefined)
    return () => edge.setKv({ isFailing: false }).catch(() => undefined)
  }
  return { target: 'KV', strike }
}

const drainRegion: Fault = (scene) => {
  const { code } = anyRegion(scene)
  const strike = async (): Promise<Undo> => {
    await scene.world.setDraining([code])
    return () => until('no region to be drained', () => scene.world.setDraining([]), UNDONE_WITHIN_MS)
  }
  return { target: 'registry', strike }
}

const changeLimit: Fault = (scene) => {
  const tenant = pick(scene, scene.tenants)
  const limit = pick(scene, TIER_LIMITS)
  const strike = async (): Promise<Undo> => {
    await scene.world.setLimit(tenant, limit)
    return NOTHING
  }
  return { target: 'limit', strike }
}

/** How likely each is, beside the others. */
const FAULTS: [weight: number, fault: Fault][] = [
  [4, killController],
  [2, killRegion],
  [1, fenceRegion],
  [2, stopDatabase],
  [2, dropEdge],
  [4, evictObject],
  [3, cutWay],
  [4, tearWay],
  [3, blockWay],
  [2, slowWay],
  [1, hostAway],
  [2, hostMishaps],
  [1, failKv],
  [1, drainRegion],
  [2, changeLimit],
]

/** Resolves when everything is as it was. `tell` hears what goes wrong, in order. Throws when something could not be mended. */
export async function strikeAtRandom(scene: Scene, durationMs: number, tell: (what: string) => void): Promise<void> {
  const { draw } = scene
  const struck = new Set<string>()

  const happen = async (fault: Fault, atMs: number, forMs: number, { target, strike }: Strike): Promise<void> => {
    await sleep(atMs)
    if (struck.has(target)) return
    struck.add(target)
    tell(`${fault.name}, ${target}`)
    const undo = await strike()
    await sleep(forMs)
    await undo()
    tell(`${target} is mended`)
    struck.delete(target)
  }
  // Each history has its own kinds of trouble, because some of it only comes to light where other trouble is not.
  const some = FAULTS.filter(() => draw() < 0.4)
  const kinds = some.length > 0 ? some : FAULTS
  const planned = Array.from({ length: FAULTS_MIN + Math.floor(draw() * FAULTS_MORE) }, () => {
    const fault = drawFault(draw, kinds)
    return happen(fault, draw() * durationMs, 100 + draw() * 1_500, fault(scene))
  })
  const done = await Promise.allSettled([...planned, sleep(durationMs)])
  for (const one of done) if (one.status === 'rejected') throw one.reason
}

function drawFault(draw: () => number, kinds: typeof FAULTS): Fault {
  let left = draw() * kinds.reduce((sum, [weight]) => sum + weight, 0)
  for (const [weight, fault] of kinds) {
    left -= weight
    if (left < 0) return fault
  }
  return killController
}
