/** Makes sure that a sandbox has a running CPU: wakes a paused one, waits for one that somebody else is waking. */
import { setTimeout as sleep } from 'node:timers/promises'
import * as z from 'zod'
import { AppError } from '../../../shared/errors.ts'
import { sourcesOf } from '../../../shared/lifecycle.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Principal } from '../accounts/principal.ts'
import type { Controller } from '../controller.ts'
import type { SandboxRow } from '../database/schema/sandboxes.ts'
import { NO_SLOT, type NoSlot, withSlot } from '../quota/with-slot.ts'
import { externalLimit } from './admit.ts'
import { deadlinesFrom } from './deadlines.ts'
import { notFound, readSandbox } from './find-sandbox.ts'
import { hostOf, isLost, loseSandbox } from './lose-sandbox.ts'
import { moveSandbox } from './move-sandbox.ts'

const verdictSchema = z.discriminatedUnion('verdict', [
  z.object({ verdict: z.enum(['resumed', 'elsewhere']) }),
  z.object({ verdict: z.enum(['concurrency_limit', 'external_limit']), granted: z.int(), used: z.int() }),
])

/** On whose behalf a sandbox is woken. */
export type Waker = Pick<Principal, 'tenant' | 'externalMax'>

/** The row of the running sandbox. Throws what the caller should hear when it cannot run. */
export async function ensureRunning(controller: Controller, principal: Waker, found: SandboxRow): Promise<SandboxRow> {
  const until = controller.clock() + LIMITS.resumeWaitMs
  let row = found
  for (;;) {
    switch (row.state) {
      case 'running':
        return row
      case 'destroyed':
        throw notFound()
      case 'error':
        throw new AppError('sandbox_not_running', `The sandbox has failed: ${row.lastError ?? 'no reason is known'}.`)
      case 'paused': {
        const woken = await wake(controller, principal, row)
        if (woken !== undefined) return woken
        break
      }
      case 'creating':
      case 'provisioning':
      case 'snapshotting':
        if (controller.clock() >= until)
          throw new AppError('state_conflict', `The sandbox has been ${row.state} for too long to wait for it.`, {
            retryAfterSec: 1,
          })
        await sleep(LIMITS.rowPollMs)
    }
    const again = await readSandbox(controller.database.db, row.id)
    if (again === undefined) throw notFound()
    row = again
  }
}

/** Undefined when somebody else moved it first. */
async function wake(controller: Controller, principal: Waker, row: SandboxRow): Promise<SandboxRow | undefined> {
  const host = hostOf(controller, row)
  controller.inFlight.add(row.id)
  try {
    const taken = await withSlot(controller, principal, () => takeSlot(controller, row.id, principal))
    if (taken.kind === 'elsewhere') return undefined
    if (taken.kind === 'external_limit') throw externalLimit(row.externalUserId)
    const { db } = controller.database
    // Read again now that it is ours: its timeouts may have been changed since it was found.
    const deadlines = deadlinesFrom((await readSandbox(db, row.id)) ?? row, controller.clock())
    const answer = await host.resume(row.id, deadlines)
    if (answer.kind === 'done')
      return await moveSandbox(db, row.id, 'ready', {
        expiresAt: deadlines.expires_at_ms === null ? null : new Date(deadlines.expires_at_ms),
      })
    if (isLost(answer)) throw await loseSandbox(controller, row, answer)
    // If it woke after all, the reconciler pauses it again: the row is what should be.
    await moveSandbox(db, row.id, 'pause')
    throw answer.error
  } finally {
    controller.inFlight.delete(row.id)
  }
}

async function takeSlot(
  controller: Controller,
  id: string,
  { externalMax }: Waker,
): Promise<{ kind: 'resumed' | 'elsewhere' | 'external_limit' } | NoSlot> {
  const { rows } = await controller.database.pool.query<{ verdict: unknown }>({
    name: 'resume_sandbox',
    text: 'select resume_sandbox($1, $2, $3, $4) as verdict',
    values: [id, sourcesOf('resume'), controller.instance.number, externalMax],
  })
  const { verdict } = verdictSchema.parse(rows[0]?.verdict)
  return verdict === 'concurrency_limit' ? NO_SLOT : { kind: verdict }
}
