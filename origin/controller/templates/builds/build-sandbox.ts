/**
 * The sandbox in which a build is made. It is one of the tenant's like any other: listed, counted and metered, and marked by its metadata. It is
 * not to be kept, so its host ends it on time whatever becomes of us; and its id is written down before it is made, so that it is always found.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { AppError, ERRORS } from '../../../../shared/errors.ts'
import { newId } from '../../../../shared/ids.ts'
import { ENDED } from '../../../../shared/lifecycle.ts'
import { LIMITS } from '../../../../shared/limits.ts'
import type { Controller } from '../../controller.ts'
import type { SandboxRow } from '../../database/schema/sandboxes.ts'
import { createTiming } from '../../http/timing.ts'
import { createSandbox } from '../../sandboxes/create-sandbox.ts'
import { destroySandbox } from '../../sandboxes/destroy-sandbox.ts'
import { readSandbox } from '../../sandboxes/find-sandbox.ts'
import type { Source } from '../../sandboxes/plan-sandbox.ts'
import { machineWish } from '../resolve-base.ts'
import { egressOf } from './build-egress.ts'
import { BuildFailure, Stopped } from './trouble.ts'
import type { Work } from './work.ts'

const ID_BYTES = 16
/** What it may still be needed for after the last moment of the build. */
const SPARE_SEC = 300

/** Waits for room. `source` is what it goes on from; undefined begins with a built-in template. Throws BuildFailure, and what a create does. */
export async function makeBuildSandbox(work: Work, source: Source | undefined): Promise<SandboxRow> {
  const { controller, log, signal } = work
  const until = controller.clock() + LIMITS.buildRoomMs
  for (let tries = 0; ; tries++) {
    signal.throwIfAborted()
    try {
      return await tryToMake(work, source)
    } catch (thrown) {
      if (!isForRoom(thrown)) throw explained(thrown)
      if (controller.clock() >= until) throw noSandbox(thrown)
      if (tries === 0) log.add('system', null, [`Waiting for room: ${thrown.message}`])
      await sleep(LIMITS.buildRoomRetryMs, undefined, { signal }).catch(() => {})
    }
  }
}

async function tryToMake(work: Work, source: Source | undefined): Promise<SandboxRow> {
  const { controller } = work
  const { region, clock, random, database } = controller
  const id = newId('sbx', region.code, clock(), random(ID_BYTES))
  await work.note({ sandbox: id })
  const { principal, spec, base, template, id: build } = work.row
  const body = {
    ...machineWish(spec),
    template_id: base,
    persistent: false,
    timeout_sec: Math.min(principal.limits.maxTimeoutSec, LIMITS.buildSecMax + SPARE_SEC),
    env: spec.env,
    metadata: { template_build: build, template },
  }
  const egress = egressOf(spec)
  const known = { id, source }
  await createSandbox(
    controller,
    {
      kind: 'create',
      body: { ...body, ...(egress === undefined ? {} : { egress }) },
      principal,
      claim: undefined,
      known,
    },
    createTiming(),
  )
  const row = await readSandbox(database.db, id)
  if (row === undefined) throw new Error('A sandbox was made that has no row.')
  return row
}

/** Nothing was made, and later there may be room. */
function isForRoom(thrown: unknown): thrown is AppError {
  if (!(thrown instanceof AppError)) return false
  const row: (typeof ERRORS)[AppError['code']] & { executed?: false } = ERRORS[thrown.code]
  return row.executed === false && thrown.code !== 'draining'
}

/** What will be the same the next time ends the build. */
function explained(thrown: unknown): unknown {
  if (!(thrown instanceof AppError)) return thrown
  if (thrown.code === 'draining') return new Stopped(thrown.message, { cause: thrown })
  return ERRORS[thrown.code].retry === 'never' && !OF_A_HOST.has(thrown.code) ? noSandbox(thrown) : thrown
}

/** A host says these of what it has lost. */
const OF_A_HOST: ReadonlySet<AppError['code']> = new Set([
  'snapshot_not_found',
  'snapshot_lost',
  'snapshot_corrupt',
  'snapshot_incompatible',
  'sandbox_lost',
  'sandbox_not_found',
  'sandbox_not_running',
  'sandbox_expired',
])

const noSandbox = ({ message }: AppError): BuildFailure =>
  new BuildFailure({ code: 'no_sandbox', message: `There is no sandbox to build it in: ${message}` })

/** Safe to repeat, whatever is left of it. */
export async function endBuildSandbox(controller: Controller, id: string): Promise<void> {
  const row = await readSandbox(controller.database.db, id)
  if (row === undefined || ENDED.has(row.state)) return
  await destroySandbox(controller, row).catch((thrown: unknown) => {
    // Somebody else has ended it meanwhile.
    if (!(thrown instanceof AppError) || thrown.code !== 'sandbox_not_found') throw thrown
  })
}
