/**
 * The secret between the edge, the regions and those who run them. Its setting may name two, `new,old`: the first is sent, either is
 * believed. So it can be replaced machine by machine while all of them go on speaking to each other.
 */
import * as z from 'zod'

export type InternalTokens = { sent: string; believed: readonly string[] }

/** What an Authorization header can carry as one word. */
const tokenSchema = z
  .string()
  .regex(/^[\x21-\x7e]{16,}$/, { error: 'must be 16 characters of ASCII or more, without spaces' })

export const internalTokensSchema = z
  .string({ error: 'must be given' })
  .transform((text) => text.split(','))
  .pipe(
    z.union([z.tuple([tokenSchema]), z.tuple([tokenSchema, tokenSchema])], {
      error: 'must be one token, or two with a comma between them',
    }),
  )
  .transform((believed): InternalTokens => ({ sent: believed[0], believed }))
