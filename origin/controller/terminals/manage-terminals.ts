/** Beginning, listing and ending the terminals of a sandbox: its agent is asked, and what it says is checked. */

import type { GuestTerminalOrder } from '../../../shared/contracts/guest-terminals.ts'
import {
  type GuestTerminal,
  guestTerminal,
  guestTerminals,
  TERMINAL_ID,
} from '../../../shared/contracts/guest-terminals.ts'
import { AppError } from '../../../shared/errors.ts'
import type { Controller } from '../controller.ts'
import { askGuest, type FoundAsking, type GuestAsking, readGuestJson } from '../sandboxes/ask-guest.ts'

/** The terminal, and the id of its sandbox. Throws terminal_limit, terminal_not_started, and what `askGuest` throws. */
export async function beginTerminal(
  controller: Controller,
  asking: FoundAsking,
  order: GuestTerminalOrder,
): Promise<{ terminal: GuestTerminal; sandbox: string }> {
  const answer = await askGuest(controller, asking, {
    method: 'POST',
    path: 'terminals',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(order),
  })
  return { terminal: await readGuestJson(answer, guestTerminal), sandbox: answer.row.id }
}

export async function listTerminals(controller: Controller, asking: GuestAsking): Promise<GuestTerminal[]> {
  const answer = await askGuest(controller, asking, { method: 'GET', path: 'terminals' })
  return (await readGuestJson(answer, guestTerminals)).terminals
}

/** Throws terminal_not_found. */
export async function endTerminal(controller: Controller, asking: GuestAsking, id: string): Promise<void> {
  const { body } = await askGuest(controller, asking, { method: 'DELETE', path: pathOf(id) })
  // Nothing is in it; one that is cut off says so, to nobody.
  body.on('error', () => {}).destroy()
}

/** Of the agent's route. Throws terminal_not_found for what can be no terminal's id, without asking anybody. */
export function pathOf(id: string): string {
  if (!TERMINAL_ID.test(id)) throw new AppError('terminal_not_found', 'There is no such terminal in this sandbox.')
  return `terminals/${id}`
}
