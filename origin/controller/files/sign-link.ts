/** Links that open one request without a key. Nothing is stored of one: it ends with its time, with its sandbox, and with its key's secret. */
import { type LinkMethod, SIGNED_LINK } from '../../../shared/browser-token.ts'
import { AppError } from '../../../shared/errors.ts'
import { sha256Hex } from '../accounts/edge-tokens.ts'
import { wordFor } from '../accounts/make-browser-word.ts'
import type { Principal } from '../accounts/principal.ts'
import type { Controller } from '../controller.ts'

export type LinkWish = {
  /** The sandbox's id. */
  sandbox: string
  /** Where the caller has found the API. */
  origin: string
  ttlSec: number
}
export type Linking = {
  expiresAt: string
  /** `target` is the path and query of the request, escaped as nobody would write it differently. */
  link(method: LinkMethod, target: string): Promise<string>
}

/** Throws owner_key_required, insufficient_scope, revoked_token. */
export async function linkMaker(
  { accounts, database, clock }: Controller,
  principal: Principal,
  { sandbox, origin, ttlSec }: LinkWish,
): Promise<Linking> {
  // It would outlive the word that it was made with.
  if (principal.isTemporary) throw new AppError('owner_key_required', 'A short-lived token may not make links.')
  const word = await wordFor(database.db, principal, { scopes: ['sandboxes:exec'], sandbox })
  return {
    expiresAt: new Date(clock() + ttlSec * 1_000).toISOString(),
    async link(method, target) {
      const signed = await accounts.words.makeLink({ ...word, method, targetHash: sha256Hex(target) }, ttlSec)
      return `${origin}${target}${target.includes('?') ? '&' : '?'}${SIGNED_LINK.parameter}=${signed}`
    },
  }
}
