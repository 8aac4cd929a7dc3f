/** A connection to a port of a sandbox, which is woken for it. Nothing has been sent on it yet, so it may be tried again. */
import type { Duplex } from 'node:stream'
import type { Controller } from '../controller.ts'
import type { SandboxRow } from '../database/schema/sandboxes.ts'
import { askAwake } from '../sandboxes/ask-awake.ts'
import { hostOf, isLost, loseSandbox } from '../sandboxes/lose-sandbox.ts'

export type Port = { row: SandboxRow; port: number }

/** Throws what the visitor should hear: port_closed, port_busy, concurrency_limit, sandbox_lost, ... */
export async function openPort(controller: Controller, { row, port }: Port, caller: AbortSignal): Promise<Duplex> {
  const { row: running, outcome } = await askAwake(controller, {
    // A visitor has no limits of their own; those of the tenant hold for every sandbox that is woken.
    waker: { tenant: row.tenant, externalMax: null },
    found: row,
    ask: (awake) => hostOf(controller, awake).tunnel(awake.id, port, caller),
    phase: 'connect',
  })
  if (outcome.kind === 'opened') return outcome.socket
  throw isLost(outcome) ? await loseSandbox(controller, running, outcome) : outcome.error
}
