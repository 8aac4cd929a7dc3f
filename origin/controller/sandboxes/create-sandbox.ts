/** Create, and create and run: admit, start on a host, answer. With an Idempotency-Key exactly one sandbox comes of it. */
import { setTimeout as sleep } from 'node:timers/promises'
import { requireScope } from '../../../shared/accounts.ts'
import type { CreateSandboxBody, RunBody } from '../../../shared/contracts/sandbox-bodies.ts'
import { AppError } from '../../../shared/errors.ts'
import { newId } from '../../../shared/ids.ts'
import type { Principal } from '../accounts/principal.ts'
import { commandText } from '../commands/command-text.ts'
import { tellCommand } from '../commands/tell-command.ts'
import type { Controller } from '../controller.ts'
import type { SandboxRow } from '../database/schema/sandboxes.ts'
import { planWayOut } from '../egress/way-out.ts'
import { opens } from '../egress/wish.ts'
import type { CommandEnd } from '../hosts/run-stream.ts'
import type { Timing } from '../http/timing.ts'
import { describeError } from '../log.ts'
import { sourceOf } from '../snapshots/find-snapshot.ts'
import { workdirOf } from '../templates/template-settings.ts'
import { ownTemplate } from '../templates/template-source.ts'
import { admitOnce } from './admit-once.ts'
import type { Reply } from './answer-once.ts'
import { type Claim, dropClaim, finishClaim, type KeptAnswer, keptError, throwKeptError } from './claim.ts'
import { notFound, readSandbox } from './find-sandbox.ts'
import { findWorkspace } from './find-workspace.ts'
import { planExec } from './plan-exec.ts'
import { planSandbox, type SandboxPlan, type Source } from './plan-sandbox.ts'
import { cutOutput, toExecAnswer, toRecord } from './record.ts'
import { type Start, startOnHost } from './start-on-host.ts'
import { subjectOf } from './subject.ts'

export type CreateRequest = { principal: Principal; claim: Claim | undefined; known?: Known } & (
  | { kind: 'create'; body: CreateSandboxBody }
  | { kind: 'run'; body: RunBody }
)
/** What whoever asks for a space has decided already: the id, and what it goes on from, which no caller may name. */
export type Known = { id: string; source: Source | undefined }

const CREATED = 201

export async function createSandbox(controller: Controller, request: CreateRequest, timing: Timing): Promise<Reply> {
  if (controller.isDraining()) throw new AppError('draining', 'This server is about to stop.')
  const { principal, claim, body } = request
  requireThisRegion(controller, body.region)
  const id = request.known?.id ?? newId('sbx', controller.region.code, controller.clock(), controller.random(16))
  const plan = await planFor(controller, request, id)
  const exec =
    request.kind === 'run'
      ? planExec({ ...request.body, env: {} }, await workdirOf(controller.database.db, { ...principal, ...plan }))
      : undefined
  const waitMs = request.kind === 'run' ? undefined : waitOf(request.body)
  if (waitMs !== undefined && !controller.background.hasRoom())
    throw new AppError('capacity_exhausted', 'This server makes as many sandboxes at a time as it takes.')

  controller.inFlight.add(id)
  const release = (): void => void controller.inFlight.delete(id)
  let making: Making | undefined
  try {
    const admitted = await timing.measure('admit', admitOnce(controller, { id, principal, plan, claim }))
    if (admitted.kind === 'replay') {
      throwKeptError(admitted)
      return { status: admitted.status, response: admitted.response, isReplay: true }
    }
    const told =
      request.kind === 'run' ? tellCommand(controller, id, { command: commandText(request.body) }) : undefined
    making = { id, tenant: principal.tenant, host: admitted.host, plan, exec, told, claim, isAnswered: false }
  } finally {
    if (making === undefined) release()
  }
  const made = make(controller, making, timing).finally(release)
  return waitMs === undefined ? made : answerBy(controller, making, made, waitMs)
}

type Making = Pick<Start, 'id' | 'tenant' | 'host' | 'plan' | 'exec' | 'told'> & {
  claim: Claim | undefined
  /** The caller has an answer already; what becomes of the sandbox is read from it. */
  isAnswered: boolean
}

/** How long the caller waits for the sandbox to run; undefined until it does. */
const waitOf = ({ wait, wait_timeout_ms }: CreateSandboxBody): number | undefined =>
  wait === false ? 0 : wait_timeout_ms

/** The sandbox as it is when the caller's patience ends; it is made all the same. */
async function answerBy(controller: Controller, making: Making, made: Promise<Reply>, waitMs: number): Promise<Reply> {
  controller.background.follow(made)
  const patience = new AbortController()
  const isMade = await Promise.race([
    made.then(() => true),
    sleep(waitMs, false, { signal: patience.signal }).catch(() => false),
  ])
  patience.abort()
  if (isMade) return made
  making.isAnswered = true
  const row = await readSandbox(controller.database.db, making.id)
  if (row === undefined) throw notFound()
  const response = JSON.stringify({ data: toRecord(row, controller) })
  await keepAnswer(controller, making.claim, making.id, { status: CREATED, response })
  return { status: CREATED, response, isReplay: false }
}

/** Starts the admitted sandbox, and settles its claim unless the caller has an answer. */
async function make(controller: Controller, making: Making, timing: Timing): Promise<Reply> {
  const { id, tenant, host, plan, exec, told, claim } = making
  const isAnswered = (): boolean => making.isAnswered
  const started = await startOnHost(
    controller,
    { id, tenant, host, plan, exec, told, idempotencyKey: claim?.key, isAnswered },
    timing,
  )
  if (started.kind === 'not_started') {
    // A claim that stays open says that the command may have run: whoever comes with the key hears that, and nothing runs.
    if (!started.mayHaveRun && !isAnswered()) await dropClaim(controller.database.db, claim, id)
    throw started.error
  }
  if (started.kind === 'stopped') {
    await keepAnswer(controller, claim, id, keptError(started.error))
    throw started.error
  }
  const answer = answerOf(controller, started.row, started.end, timing)
  const response = JSON.stringify(answer)
  if (claim !== undefined && !isAnswered())
    await keepAnswer(controller, claim, id, {
      status: CREATED,
      response: boundedAnswer(answer, started.end) ?? response,
    })
  return { status: CREATED, response, isReplay: false }
}

/** The same answer with less of what the command said; undefined when it is short enough to be kept whole. */
function boundedAnswer(answer: object, end: CommandEnd | null): string | undefined {
  const cut = end === null ? null : cutOutput(end)
  return cut === null || cut === end ? undefined : JSON.stringify({ ...answer, exec: toExecAnswer(cut) })
}

/** What became of the sandbox is certain and the caller is told so, even when the answer cannot be kept: a retry then finds the claim open and is told the truth. */
async function keepAnswer(
  controller: Controller,
  claim: Claim | undefined,
  id: string,
  answer: KeptAnswer,
): Promise<void> {
  await finishClaim(controller.database.db, claim, id, answer).catch((err: unknown) =>
    controller.log('error', 'idempotency.answer_not_kept', { sandbox: id, error: describeError(err) }),
  )
}

function answerOf(controller: Controller, row: SandboxRow, end: CommandEnd | null, timing: Timing): object {
  const data = toRecord(row, controller)
  if (end === null) return { data }
  const phases = timing.phases()
  const timings = Object.entries(phases).map(([phase, ms]) => [`${phase}_ms`, Math.round(ms)] as const)
  const waited = Math.round((phases.host ?? 0) + (phases.exec ?? 0))
  return { data, exec: toExecAnswer(end), timings: { server_wait_and_exec_ms: waited, ...Object.fromEntries(timings) } }
}

async function planFor(controller: Controller, request: CreateRequest, id: string): Promise<SandboxPlan> {
  const { principal, body, known } = request
  const subject = subjectOf(principal, body.external_user_id)
  const source =
    (known === undefined ? await sourceOf(controller, principal, body.snapshot_id) : known.source) ??
    (await ownTemplate(controller, principal.tenant, body))
  const { limits, tenant } = principal
  const plan = planSandbox(body, controller.policy, limits, controller.ledger.templates(tenant), source)
  if (body.egress !== undefined && plan.egress !== null && opens(plan.egress)) requireScope(principal, 'egress:write')
  const workspace = await findWorkspace(controller.database.db, tenant, body)
  const made = { ...plan, externalUserId: subject ?? plan.externalUserId, workspace }
  const wayOut = await planWayOut(controller, principal, { ...made, id })
  return { ...made, env: { ...wayOut.env, ...plan.env }, wayOut }
}

/** Throws region_mismatch, or unknown_region with the known ones in the words of the edge. */
function requireThisRegion({ region, regions }: Controller, asked: string | undefined): void {
  if (asked === undefined || asked === 'auto' || asked === region.code || asked === region.name) return
  const isKnown = regions.some(({ code, name }) => asked === code || asked === name)
  if (isKnown)
    throw new AppError('region_mismatch', `The body asks for another region than ${region.name} (${region.code}).`, {
      details: { region: region.code },
    })
  throw new AppError(
    'unknown_region',
    `The region ${region.name} (${region.code}) knows no region ${JSON.stringify(asked)}.`,
    {
      details: { regions: regions.map(({ code, name }) => ({ code, name })) },
    },
  )
}
