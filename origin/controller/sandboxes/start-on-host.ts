/**
 * Carries an admitted sandbox out on a host, with its first command when it has one.
 *
 *   refused   nothing happened: the reservation moves to the next host; when none is left the row is destroyed, as if never made
 *   failed    the host says so: the row becomes `error`, the machine is ended
 *   stopped   paused or expired while the command ran: the row follows, and the caller hears which
 *   unknown   without a command: it runs if the host has said so; else it is ended and started once more.
 *             With one: never again, the caller hears that the outcome is unknown
 *
 * The row becomes `running` while the command runs; both are awaited. A caller who goes away changes nothing: it cannot be told
 * from a lost answer, and a retry with the same key must find the sandbox.
 */
import type { CreateVmBody, HostExec, HostReady } from '../../../shared/contracts/host.ts'
import { AppError } from '../../../shared/errors.ts'
import { idToLabel } from '../../../shared/ids.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { CommandTold } from '../commands/commands.ts'
import type { Controller } from '../controller.ts'
import type { SandboxRow } from '../database/schema/sandboxes.ts'
import type { Trouble } from '../hosts/outcome.ts'
import type { CommandEnd, Run } from '../hosts/run-stream.ts'
import type { Timing } from '../http/timing.ts'
import { chooseHost } from '../placement/choose-host.ts'
import { clearHost } from './clear-host.ts'
import { deadlinesFrom } from './deadlines.ts'
import { moveSandbox } from './move-sandbox.ts'
import type { SandboxPlan } from './plan-sandbox.ts'
import { followStop } from './stopped-sandbox.ts'

export type Start = {
  id: string
  tenant: string
  host: string
  plan: SandboxPlan
  exec: HostExec | undefined
  /** What is told of the command, once the sandbox is said to run. */
  told: CommandTold | undefined
  /** What the caller may send again when the outcome is unknown. */
  idempotencyKey: string | undefined
  /** Whether the caller has the sandbox's id already, and will look what became of it. */
  isAnswered: () => boolean
}
export type Started =
  | { kind: 'started'; row: SandboxRow; end: CommandEnd | null }
  /** The sandbox ran, and its host stopped it before the command ended. */
  | { kind: 'stopped'; error: AppError }
  /** `mayHaveRun`: the command may have been executed, so that no request may ever run it again. */
  | { kind: 'not_started'; error: AppError; mayHaveRun: boolean }

type Attempt = { outcome: Run | Trouble; ready: HostReady | null; row: SandboxRow | undefined }

export async function startOnHost(controller: Controller, start: Start, timing: Timing): Promise<Started> {
  const tried = new Set<string>()
  let host = start.host
  let startsLeft = start.exec === undefined ? 2 : 1
  for (;;) {
    const attempt = await attemptOn(controller, { ...start, host }, timing)
    if (attempt.outcome.kind === 'ran') return settle(controller, { ...start, host }, attempt, attempt.outcome.exit)
    tried.add(host)
    const trouble = attempt.outcome
    logTrouble(controller, start.id, host, trouble)

    if (trouble.kind === 'refused') {
      const next = tried.size < LIMITS.placementTriesMax ? await rehost(controller, start, tried) : undefined
      if (next === undefined) return giveUp(controller, start, trouble)
      host = next
      continue
    }
    // `ready` was all there was to wait for. A machine that ended since is noticed by the reconciler, like any other.
    if (trouble.kind === 'unknown' && start.exec === undefined && attempt.ready !== null)
      return settle(controller, { ...start, host }, attempt, null)
    const stopped = attempt.row === undefined ? undefined : await followStop(controller, attempt.row, trouble)
    if (stopped !== undefined) return { kind: 'stopped', error: stopped }
    startsLeft -= 1
    const isCleared = await clearForAnotherStart(controller, start.id, host, trouble, startsLeft)
    if (isCleared) continue
    return fail(controller, { ...start, host }, attempt, trouble)
  }
}

/** One call to one host. The states that its frames report are written while it goes on. */
async function attemptOn(controller: Controller, start: Start, timing: Timing): Promise<Attempt> {
  const host = controller.hosts.get(start.host)
  if (host === undefined) return { outcome: unreachable(start.host), ready: null, row: undefined }
  const { db } = controller.database
  const deadlines = deadlinesFrom(start.plan, controller.clock())
  const from = timing.elapsedMs()
  let readyAt: number | undefined
  let ready: HostReady | null = null
  let commit: Promise<SandboxRow | undefined> = Promise.resolve(undefined)
  // A write that fails while the command runs is heard of when it is awaited below, not as an unhandled rejection.
  const follow = (next: () => Promise<SandboxRow | undefined>): void => {
    commit = commit.then(next)
    commit.catch(() => {})
  }

  const outcome = await host.start(vmBody(start, deadlines), {
    onProvisioning: () => follow(() => moveSandbox(db, start.id, 'provision')),
    onReady: (facts) => {
      ready = facts
      readyAt = timing.elapsedMs()
      follow(() =>
        moveSandbox(db, start.id, 'ready', {
          bootPath: facts.boot_path,
          bootMs: Math.round(facts.boot_ms),
          expiresAt: momentOf(facts.expires_at_ms === undefined ? deadlines.expires_at_ms : facts.expires_at_ms),
        }),
      )
    },
    onStarted: () => void commit.then(start.told?.begin, () => {}),
  })
  timing.add('host', (readyAt ?? timing.elapsedMs()) - from)
  if (start.exec !== undefined && readyAt !== undefined) timing.add('exec', timing.elapsedMs() - readyAt)
  const row = await timing.measure('commit', commit).catch((cause: unknown) => {
    // The row could not be written, but the machine may run: the reconciler will find it. A command must not be sent again.
    throw start.exec === undefined ? cause : outcomeUnknown(start.id, start.idempotencyKey, cause)
  })
  if (outcome.kind === 'ran' && outcome.exit !== null) start.told?.end(outcome.exit.facts)
  else start.told?.lose()
  return { outcome, ready, row }
}

const momentOf = (ms: number | null): Date | null => (ms === null ? null : new Date(ms))

const vmBody = ({ id, plan, exec }: Start, deadlines: ReturnType<typeof deadlinesFrom>): CreateVmBody => ({
  vm: {
    id,
    template: plan.template,
    machine: plan.machine,
    hostname: idToLabel(id),
    env: plan.env,
    snapshot_id: plan.source?.snapshot ?? null,
    ...(plan.wayOut.setting === null ? {} : { egress: plan.wayOut.setting }),
    ...deadlines,
  },
  ...(exec === undefined ? {} : { exec }),
})

/** The host said all that it had to say, or at least enough; what it said decides. */
async function settle(
  controller: Controller,
  start: Start,
  attempt: Attempt,
  end: CommandEnd | null,
): Promise<Started> {
  if (attempt.ready === null || (start.exec !== undefined && end === null))
    return fail(controller, start, attempt, cutShort)
  if (attempt.row !== undefined) return { kind: 'started', row: attempt.row, end }
  // Somebody destroyed it, or gave it up, while it was being made. It must not live on the host without a row.
  await clearHost(controller, start)
  const error = new AppError('sandbox_not_running', 'The sandbox was destroyed while it was being created.')
  return { kind: 'not_started', error, mayHaveRun: start.exec !== undefined }
}

async function fail(controller: Controller, start: Start, attempt: Attempt, trouble: Trouble): Promise<Started> {
  // The host's own word that it failed before the machine was ready is certain; anything else may have run the command.
  const mayHaveRun = start.exec !== undefined && (trouble.kind === 'unknown' || attempt.ready !== null)
  await moveSandbox(controller.database.db, start.id, 'fail', { lastError: trouble.error.message })
  await clearHost(controller, start)
  const error =
    mayHaveRun && trouble.kind === 'unknown' ? outcomeUnknown(start.id, start.idempotencyKey, trouble) : trouble.error
  return { kind: 'not_started', error, mayHaveRun }
}

/** No host did anything: nothing is left of the sandbox but its history, or a failed one when its id is known to somebody. */
async function giveUp(controller: Controller, { id, isAnswered }: Start, trouble: Trouble): Promise<Started> {
  const end = isAnswered() ? 'fail' : 'destroy'
  await moveSandbox(controller.database.db, id, end, { isGone: true, lastError: trouble.error.message })
  const error =
    trouble.error.code === 'host_unavailable'
      ? new AppError('region_unavailable', 'No machine of this region can be reached now.', { cause: trouble.error })
      : trouble.error
  return { kind: 'not_started', error, mayHaveRun: false }
}

/** Only without a command, only when nobody knows what became of the first start, and only when the host has cleared it away. */
async function clearForAnotherStart(
  controller: Controller,
  id: string,
  host: string,
  trouble: Trouble,
  startsLeft: number,
): Promise<boolean> {
  if (trouble.kind !== 'unknown' || startsLeft < 1) return false
  const answer = await controller.hosts.get(host)?.destroy(id)
  return answer?.kind === 'done'
}

async function rehost(controller: Controller, start: Start, except: ReadonlySet<string>): Promise<string | undefined> {
  if (start.plan.source !== null) return undefined
  const next = chooseHost(controller, { ...start.plan, tenant: start.tenant, except })
  if (next === undefined) return undefined
  const { rows } = await controller.database.pool.query<{ moved: boolean }>({
    name: 'rehost_sandbox',
    text: 'select rehost_sandbox($1, $2) as moved',
    values: [start.id, next],
  })
  return rows[0]?.moved === true ? next : undefined
}

export const outcomeUnknown = (sandboxId: string, idempotencyKey: string | undefined, cause?: unknown): AppError =>
  new AppError('outcome_unknown', 'The command may have been executed, but its outcome was lost.', {
    details: { sandbox_id: sandboxId, ...(idempotencyKey === undefined ? {} : { idempotency_key: idempotencyKey }) },
    cause,
  })

const cutShort: Trouble = {
  kind: 'unknown',
  error: new AppError('host_unavailable', 'The machine for this sandbox gave no whole answer.'),
}

const unreachable = (host: string): Trouble => ({
  kind: 'refused',
  error: new AppError('host_unavailable', 'The machine for this sandbox cannot be reached.', { detail: host }),
})

function logTrouble(controller: Controller, sandbox: string, host: string, { kind, error }: Trouble): void {
  controller.log('warn', 'sandbox.start_trouble', { sandbox, host, kind, code: error.code, detail: error.detail })
}
