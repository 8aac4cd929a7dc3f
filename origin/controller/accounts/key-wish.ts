/** What a body asks of a new key, in our own words. */
import type * as z from 'zod'
import type { createKeyBody, createScopedKeyBody } from '../../../shared/contracts/api-keys.ts'
import { limitsOfBody } from './key-answer.ts'
import type { KeyWish } from './make-key.ts'

type KeyBody = Omit<z.infer<typeof createKeyBody>, 'key_type'> | z.infer<typeof createScopedKeyBody>

export const wishOf = (body: KeyBody): KeyWish => ({
  name: body.name,
  purpose: body.purpose ?? null,
  scopes: [...new Set(body.scopes)],
  expiresAt: body.expires_at === null || body.expires_at === undefined ? null : new Date(body.expires_at),
  limits: body.limits === null || body.limits === undefined ? null : limitsOfBody(body.limits),
  pin: body.pin ?? null,
  externalUser: 'external_user_id' in body ? body.external_user_id : null,
})
