/** A connection to a port of a sandbox, which is woken for it. Nothing has been sent on it yet, so it may be tried again. */
import type { Duplex } from 'node:stream'
import { LIMITS } from '../../../shared/limits.ts'
import type { Controller } from '../controller.ts'
import type { SandboxRow } from '../database/schema/sandboxes.ts'
import { isPausedThere } from '../sandboxes/exec-sandbox.ts'
import { notFound, readSandbox } from '../sandboxes/find-sandbox.ts'
import { hostOf, isLost, loseSandbox } from '../sandboxes/lose-sandbox.ts'
import { moveSandbox } from '../sandboxes/move-sandbox.ts'
import { ensureRunning } from '../sandboxes/resume-sandbox.ts'

export type Port = { row: SandboxRow; port: number }

/** Throws what the visitor should hear: port_closed, port_busy, concurrency_limit, sandbox_lost, ... */
export async function openPort(controller: Controller, { row, port }: Port, caller: AbortSignal): Promise<Duplex> {
  const { db } = controller.database
  // A visitor has no limits of their own; those of the tenant hold for every sandbox that is woken.
  const waker = { tenant: row.tenant, externalMax: null }
  let running = await ensureRunning(controller, waker, row)
  let opened = await hostOf(controller, running).tunnel(row.id, port, caller)
  for (let tries = 1; tries < LIMITS.changeTriesMax && isPausedThere(opened); tries++) {
    // It was idle for too long, and the row has not heard of it yet.
    const revision = { revision: running.revision }
    const now = (await moveSandbox(db, row.id, 'pause', revision)) ?? (await readSandbox(db, row.id))
    if (now === undefined) throw notFound()
    running = await ensureRunning(controller, waker, now)
    opened = await hostOf(controller, running).tunnel(row.id, port, caller)
  }
  if (opened.kind === 'opened') return opened.socket
  throw isLost(opened) ? await loseSandbox(controller, running, opened) : opened.error
}
