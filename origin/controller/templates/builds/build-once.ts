/**
 * One attempt at a build: from the furthest step that is kept, to the snapshot that is the version. Whatever stops it throws, and nothing that
 * was kept is lost: the next attempt goes on from there, in another sandbox.
 */
import { eq } from 'drizzle-orm'
import type { Controller } from '../../controller.ts'
import type { SandboxRow } from '../../database/schema/sandboxes.ts'
import { snapshot } from '../../database/schema/snapshots.ts'
import type { BuildRow } from '../../database/schema/templates.ts'
import type { Source } from '../../sandboxes/plan-sandbox.ts'
import { discardSnapshot } from '../../snapshots/discard-snapshot.ts'
import { requireReady } from '../../snapshots/find-snapshot.ts'
import { newSnapshotId, takeSnapshot } from '../../snapshots/take-snapshot.ts'
import { imagesOf } from '../images-of.ts'
import { endBuildSandbox, makeBuildSandbox } from './build-sandbox.ts'
import { finishBuild } from './finish-build.ts'
import { findKept, forgetKept, type Kept, keepStep } from './kept-steps.ts'
import { type PlannedStep, planSteps } from './plan-steps.ts'
import { runStep } from './run-step.ts'
import { startService } from './start-service.ts'
import { BuildFailure } from './trouble.ts'
import type { Work } from './work.ts'

export async function buildOnce(work: Work): Promise<void> {
  const { controller, log } = work
  await clearBefore(work)
  const steps = planSteps(work.row.spec, beginningOf(controller, work.row))
  const kept = work.row.isUncached ? undefined : await findKept(controller, work.row.tenant, steps)
  await noteKept(work, kept)
  const sandbox = await makeFrom(work, kept)
  for (const step of steps.slice(kept?.step.index ?? 0)) {
    await runStep(work, sandbox, step)
    await keepStep(work, sandbox, step)
    work.signal.throwIfAborted()
  }
  await work.move('built')
  await startService(work, sandbox)
  const id = newSnapshotId(controller)
  log.add('system', null, ['Taking the snapshot.'])
  await work.move('certified', { snapshot: id })
  await takeSnapshot(controller, sandbox, { id, comment: null, owner: work.row.id })
  await log.flush()
  await finishBuild(controller, work.row)
}

/** What an attempt before this one has left. */
async function clearBefore(work: Work): Promise<void> {
  const { sandbox, snapshot: taken } = work.row
  if (sandbox !== null) await endBuildSandbox(work.controller, sandbox)
  if (taken !== null) await discardSnapshot(work.controller, taken)
  if (sandbox !== null || taken !== null) await work.note({ sandbox: null, snapshot: null })
}

function beginningOf(controller: Controller, { spec, base, baseSnapshot, tenant }: BuildRow) {
  const { vcpu, memoryMib, diskMib } = spec
  if (typeof vcpu !== 'number' || typeof memoryMib !== 'number' || typeof diskMib !== 'number')
    throw new Error('A build was asked for without a machine.')
  const identity = baseSnapshot ?? `${base} ${imagesOf(controller, tenant, base)}`
  return { identity, machine: { vcpus: vcpu, memoryMib, diskMib } }
}

/** Done in this build before, or in an earlier one. */
async function noteKept(work: Work, kept: Kept | undefined): Promise<void> {
  const until = kept?.step.index ?? 0
  const steps = work.row.steps.map((step): BuildRow['steps'][number] => {
    if (step.index > until) return { ...step, state: 'pending', exit_code: null, duration_ms: null }
    return step.state === 'done' ? step : { ...step, state: 'cached', exit_code: 0, duration_ms: null }
  })
  if (kept !== undefined)
    work.log.add('system', null, [`Going on after step ${until} of ${steps.length}, which is kept.`])
  await work.note({ steps })
}

async function makeFrom(work: Work, kept: Kept | undefined): Promise<SandboxRow> {
  const source = kept === undefined ? await baseOf(work) : sourceOf(work, kept.snapshot)
  try {
    return await makeBuildSandbox(work, source)
  } catch (thrown) {
    // What could not be gone on from is not tried a second time.
    if (kept !== undefined && !work.signal.aborted) await forgetWhatFailed(work, kept.step, kept.snapshot.id)
    throw thrown
  }
}

const forgetWhatFailed = (work: Work, { key }: PlannedStep, id: string): Promise<void> =>
  forgetKept(work.controller, { tenant: work.row.tenant, key, snapshot: id })

/** Of a template of the tenant's own. Throws snapshot_lost. */
async function baseOf(work: Work): Promise<Source | undefined> {
  const { baseSnapshot } = work.row
  if (baseSnapshot === null) return undefined
  const [found] = await work.controller.database.db.select().from(snapshot).where(eq(snapshot.id, baseSnapshot))
  if (found === undefined) throw lostBase(work)
  return sourceOf(work, requireReady(found))
}

const lostBase = ({ row }: Work): BuildFailure =>
  new BuildFailure({ code: 'no_sandbox', message: `What the build begins with, ${row.base}, is gone.` })

const sourceOf = (work: Work, kept: Kept['snapshot']): Source => ({
  ...kept,
  template: work.row.base,
  env: work.row.spec.env,
  egress: null,
  externalUser: null,
})
