/** One question to the agent about the files of a sandbox, which is woken for it. */
import type * as z from 'zod'
import type { Principal } from '../accounts/principal.ts'
import type { Controller } from '../controller.ts'
import type { GuestRequest } from '../hosts/guest-calls.ts'
import type { Timing } from '../http/timing.ts'
import { type Answered, askGuest, readGuestJson } from '../sandboxes/ask-guest.ts'

/** Whose files, and for whom. */
export type Asker = {
  controller: Controller
  principal: Principal
  reference: string
  caller: AbortSignal
  arrival: { timing: Timing }
}

/** Throws what the caller should hear, as the next two. */
export const askFiles = (
  { controller, principal, reference, caller, arrival: { timing } }: Asker,
  request: GuestRequest,
): Promise<Answered> => askGuest(controller, { principal, reference, caller, timing }, request)

export const readFiles = async <T extends z.ZodType>(asker: Asker, path: string, schema: T): Promise<z.output<T>> =>
  readGuestJson(await askFiles(asker, { method: 'GET', path }), schema)

export const changeFiles = async <T extends z.ZodType>(
  asker: Asker,
  verb: string,
  body: object,
  schema: T,
): Promise<z.output<T>> =>
  readGuestJson(
    await askFiles(asker, {
      method: 'POST',
      path: `files${verb}`,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    }),
    schema,
  )
