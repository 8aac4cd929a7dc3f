/**
 * What a request changes of a sandbox, decided from the row as it was read. Pure.
 *
 *                names, tags, metadata   timeouts                        a longer time
 *   running      row                     row, then host; from now on     row, then host
 *   paused       row                     row; counts when it is resumed  refused: it has no end
 *     not kept   row                     row, then host                  row, then host
 *   creating, provisioning, snapshotting
 *                row                     later                           later
 *   error        row                     refused                         refused
 *   destroyed    there is no such sandbox
 */
import type { Tier } from '../../../shared/accounts.ts'
import type { UpdateBody } from '../../../shared/contracts/sandbox-bodies.ts'
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { SandboxRow } from '../database/schema/sandboxes.ts'
import { notFound } from './find-sandbox.ts'
import { requireTimesAllowed } from './plan-sandbox.ts'

type Changeable = 'name' | 'slug' | 'tags' | 'metadata' | 'alwaysOn' | 'timeoutSec' | 'idleTimeoutSec' | 'expiresAt'
export type Change = {
  set: Partial<Pick<SandboxRow, Changeable>>
  /** Whether it changes when compute ends; then the machine's host must hear of it, if the sandbox has a clock there. */
  isTimed: boolean
}

export function planUpdate(row: SandboxRow, body: UpdateBody, limits: Tier, nowMs: number): Change {
  if (row.state === 'destroyed') throw notFound()
  requireTimesAllowed(body, limits)
  const { name, slug, tags, always_on: alwaysOn, timeout_sec: timeoutSec, idle_timeout_sec: idleTimeoutSec } = body
  const isTimed = alwaysOn !== undefined || timeoutSec !== undefined || idleTimeoutSec !== undefined
  const timing = isTimed ? planTimes(row, { alwaysOn, timeoutSec, idleTimeoutSec }, nowMs) : {}
  const labels = without({ name, slug, tags })
  const metadata = body.metadata === undefined ? {} : { metadata: merge(row.metadata, body.metadata) }
  return { set: { ...labels, ...metadata, ...timing }, isTimed }
}

/** Runs on for this long from now, and never for less than it had. */
export function planExtension(row: SandboxRow, timeoutSec: number | undefined, limits: Tier, nowMs: number): Change {
  requireTimesAllowed({ timeout_sec: timeoutSec }, limits)
  requireSettled(row)
  if (!hasClock(row))
    throw new AppError(
      'sandbox_not_running',
      'The sandbox is paused and has no end; it gets its whole timeout when it is resumed.',
    )
  if (row.expiresAt === null) return { set: {}, isTimed: false }
  const wanted = nowMs + (timeoutSec ?? row.timeoutSec) * 1_000
  return { set: { expiresAt: new Date(Math.max(wanted, row.expiresAt.getTime())) }, isTimed: true }
}

/** Whether its host stops it by time: one that is paused and to be kept is left alone. */
export const hasClock = ({ state, persistent }: SandboxRow): boolean =>
  state === 'running' || (state === 'paused' && !persistent)

type Times = { [Field in 'alwaysOn' | 'timeoutSec' | 'idleTimeoutSec']: SandboxRow[Field] | undefined }

function planTimes(row: SandboxRow, times: Times, nowMs: number): Change['set'] {
  requireSettled(row)
  const given = without(times)
  const { alwaysOn, timeoutSec } = { ...row, ...given }
  const isNewEnd = times.alwaysOn !== undefined || times.timeoutSec !== undefined
  if (!isNewEnd || !hasClock(row)) return given
  return { ...given, expiresAt: alwaysOn ? null : new Date(nowMs + timeoutSec * 1_000) }
}

/** While a request starts or stops it, when it ends is that request's to say. */
function requireSettled(row: SandboxRow): void {
  switch (row.state) {
    case 'running':
    case 'paused':
      return
    case 'creating':
    case 'provisioning':
    case 'snapshotting':
      throw new AppError('state_conflict', `The sandbox is ${row.state}.`, { retryAfterSec: 1 })
    case 'error':
      throw new AppError('sandbox_not_running', `The sandbox has failed: ${row.lastError ?? 'no reason is known'}.`)
    case 'destroyed':
      throw notFound()
  }
}

function merge(old: Record<string, unknown>, patch: Record<string, unknown>): Record<string, unknown> {
  const merged = Object.fromEntries(Object.entries({ ...old, ...patch }).filter(([, value]) => value !== null))
  const bytes = new TextEncoder().encode(JSON.stringify(merged)).length
  if (bytes <= LIMITS.metadataBytesMax) return merged
  throw new AppError('invalid_request', 'These fields are not valid: metadata.', {
    details: { metadata: [`would be ${bytes} bytes as JSON with what is there; at most ${LIMITS.metadataBytesMax}`] },
  })
}

/** What is given of it. */
function without<Fields extends object>(fields: Fields): { [F in keyof Fields]?: Exclude<Fields[F], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [F in keyof Fields]?: Exclude<Fields[F], undefined>
  }
}
