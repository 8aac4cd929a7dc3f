/** API keys, as callers send and are told of them. Field names are a wire contract that clients in the field already speak. */
import * as z from 'zod'
import { scopeSchema } from '../accounts.ts'
import { LIMITS } from '../limits.ts'
import { SIZE_NAMES } from '../machines.ts'
import { regionCodeSchema } from '../regions.ts'
import { externalIdSchema, plainText } from './sandbox-fields.ts'

const labelSchema = plainText.max(LIMITS.nameCharsMax)
export const scopesSchema = z.array(scopeSchema).min(1).max(scopeSchema.options.length)
const momentSchema = z.iso.datetime({ offset: true })

/** Only what is tighter than the tier has any effect. */
export const limitsBody = z.object({
  concurrency: z.int().positive().optional().describe('Sandboxes at a time, in all regions.'),
  rate_limit_rpm: z.int().positive().optional().describe('Requests a minute.'),
  max_size: z.enum(SIZE_NAMES).optional().describe('The largest named size.'),
  max_timeout_sec: z.int().positive().optional().describe('The longest `timeout_sec`, in seconds.'),
  max_body_mib: z.int().positive().optional().describe('The largest body of a request, in MiB.'),
})
export type LimitsBody = z.infer<typeof limitsBody>

const keyFields = {
  scopes: scopesSchema.describe('What the key may do; no more than the key that makes it may.'),
  expires_at: momentSchema
    .nullish()
    .describe('When it ends; not after the key that makes it. Default: when that one does, or never.'),
  limits: limitsBody
    .nullish()
    .describe(
      'Limits of its own; only what is tighter than those of the tier has any effect. Default: those of the tier.',
    ),
  pin: regionCodeSchema
    .nullish()
    .describe(
      'The region where requests with this key go unless they say otherwise. Default: the nearest one with room.',
    ),
}
export const createKeyBody = z.object({
  name: labelSchema.default('').describe('What you call it. Default: empty.'),
  key_type: labelSchema.optional().describe('Accepted for clients that send it; it changes nothing.'),
  purpose: labelSchema.nullish().describe('What it is for, in your words; comes back as `key_purpose`. Default: none.'),
  ...keyFields,
})
export const createScopedKeyBody = z.object({
  name: labelSchema.default('').describe('What you call it. Default: empty.'),
  purpose: labelSchema.nullish().describe('What it is for, in your words; comes back as `key_purpose`. Default: none.'),
  external_user_id: externalIdSchema.describe('Your own user: the key sees and makes only what is theirs.'),
  ...keyFields,
})
export const rotateKeyBody = z.object({
  grace_sec: z
    .int()
    .min(0)
    .max(LIMITS.keyGraceSecMax)
    .default(0)
    .describe('Seconds for which the old secret goes on beside the new one. Default: 0, so it ends at once.'),
})

export const keyRecordAnswer = z.object({
  id: z.string().describe('What paths name it by. It is not the secret.'),
  name: z.string(),
  key_type: z.enum(['user', 'scoped']).describe('`scoped` when it was made for one of your own users.'),
  key_purpose: z.string().nullable().describe('What was said as `purpose`.'),
  key_prefix: z.string().describe('How its secret begins, to tell it from others.'),
  prefix: z.string().describe('The same as `key_prefix`.'),
  scopes: z.array(z.string()).describe('What it may do.'),
  external_user_id: z.string().nullable().describe('Your own user that it was made for, or null.'),
  rate_limit_rpm: z.int().describe("Requests a minute that it may ask, by its own limit or the tier's."),
  limits: limitsBody.nullable().describe('Limits of its own, or null for those of the tier.'),
  pin: z.string().nullable().describe('The region where its requests go unless they say otherwise.'),
  status: z.enum(['active', 'revoked', 'expired']).describe('Whether it is good.'),
  expires_at: z.string().nullable().describe('When it ends, or null.'),
  last_used_at: z.string().nullable().describe('To the minute, as this region has seen it.'),
  created_at: z.string(),
})
/** The only answer that has the secret, under the two names that clients look for. */
export const newKeyAnswer = z.object({
  data: z.object({
    ...keyRecordAnswer.shape,
    key: z.string().describe('The secret: what `Authorization: Bearer` carries.'),
    token: z.string().describe('The same as `key`.'),
  }),
})
