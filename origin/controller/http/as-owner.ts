/** For routes of which whoever speaks for less than the whole tenant has none. */
import { type Principal, requireOwner } from '../accounts/principal.ts'
import type { Outcome } from './serve-route.ts'

/** Throws owner_key_required. */
export const asOwner =
  <C extends { principal: Principal }>(handler: (call: C) => Promise<Outcome>) =>
  async (call: C): Promise<Outcome> => {
    requireOwner(call.principal)
    return await handler(call)
  }
