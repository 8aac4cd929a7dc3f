/** Making, listing, restarting and ending the contexts of a sandbox: its agent is asked, and what it says is checked. */

import type { CodeContextRecord } from '../../../shared/contracts/code.ts'
import type { CodeLanguage } from '../../../shared/contracts/code-fields.ts'
import {
  type GuestCodeContext,
  guestCodeContext,
  guestCodeContexts,
  guestContextId,
} from '../../../shared/contracts/guest-code.ts'
import { AppError } from '../../../shared/errors.ts'
import type { Controller } from '../controller.ts'
import { askGuest, type GuestAsking, readGuestJson } from '../sandboxes/ask-guest.ts'

const CONTEXTS = 'code/contexts'

export async function makeContext(
  controller: Controller,
  asking: GuestAsking,
  order: { language: CodeLanguage; cwd: string },
): Promise<CodeContextRecord> {
  const headers = { 'content-type': 'application/json' }
  const request = { method: 'POST', path: CONTEXTS, headers, body: JSON.stringify(order) } as const
  return toRecord(await readGuestJson(await askGuest(controller, asking, request), guestCodeContext))
}

export async function listContexts(controller: Controller, asking: GuestAsking): Promise<CodeContextRecord[]> {
  const answer = await askGuest(controller, asking, { method: 'GET', path: CONTEXTS })
  return (await readGuestJson(answer, guestCodeContexts)).contexts.map(toRecord)
}

/** Throws context_not_found. */
export async function changeContext(
  controller: Controller,
  asking: GuestAsking,
  id: string,
  verb: 'restart' | 'interrupt',
): Promise<CodeContextRecord> {
  const answer = await askGuest(controller, asking, { method: 'POST', path: `${pathOf(id)}/${verb}` })
  return toRecord(await readGuestJson(answer, guestCodeContext))
}

/** Throws context_not_found. */
export async function endContext(controller: Controller, asking: GuestAsking, id: string): Promise<void> {
  const { body } = await askGuest(controller, asking, { method: 'DELETE', path: pathOf(id) })
  // Nothing is in it; one that is cut off says so, to nobody.
  body.on('error', () => {}).destroy()
}

/** What can be no context's id is not asked for. */
function pathOf(id: string): string {
  if (guestContextId.safeParse(id).success) return `${CONTEXTS}/${id}`
  throw new AppError('context_not_found', 'There is no such context in this sandbox.')
}

const toRecord = ({ is_running, created_at_ms, ...record }: GuestCodeContext): CodeContextRecord => ({
  ...record,
  state: is_running ? 'running' : 'idle',
  created_at: new Date(created_at_ms).toISOString(),
})
