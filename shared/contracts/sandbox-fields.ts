/** What the fields of a sandbox may hold, wherever they are sent. */
import * as z from 'zod'
import { ID_KINDS } from '../ids.ts'
import { LIMITS } from '../limits.ts'

export const utf8Bytes = (text: string): number => new TextEncoder().encode(text).length

/** Text that every store, argument list and environment can hold: no NUL, and no half of a surrogate pair. */
const isPlain = (text: string): boolean => !text.includes('\0') && text.isWellFormed()
export const plainText = z.string().refine(isPlain, { error: 'must not contain NUL or unpaired surrogates' })
/** Nor is it nested so deep that it takes a stack to print it. */
const isPlainJson = (value: unknown, depthMax: number = LIMITS.metadataDepthMax): boolean => {
  if (typeof value === 'string') return isPlain(value)
  if (typeof value !== 'object' || value === null) return true
  if (depthMax === 0) return false
  return Object.entries(value).every(([key, inner]) => isPlain(key) && isPlainJson(inner, depthMax - 1))
}

export const boundedText = (bytesMax: number) =>
  plainText.refine((text) => utf8Bytes(text) <= bytesMax, { error: `must be at most ${bytesMax} bytes` })

export const envSchema = z
  .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/), boundedText(LIMITS.envBytesMax))
  .refine((env) => Object.keys(env).length <= LIMITS.envCountMax, {
    error: `must have at most ${LIMITS.envCountMax} variables`,
  })
  .refine((env) => utf8Bytes(JSON.stringify(env)) <= LIMITS.envBytesMax, {
    error: `must be at most ${LIMITS.envBytesMax} bytes in all`,
  })

export const metadataSchema = z
  .record(z.string(), z.unknown())
  .refine((value) => isPlainJson(value), {
    error: `must be nested at most ${LIMITS.metadataDepthMax} deep, without NUL or unpaired surrogates`,
    abort: true,
  })
  .refine((value) => utf8Bytes(JSON.stringify(value)) <= LIMITS.metadataBytesMax, {
    error: `must be at most ${LIMITS.metadataBytesMax} bytes as JSON`,
  })

/** A path names a sandbox by id or by name, so no name may begin as an id does. */
const ID_BEGINNINGS = ID_KINDS.map((kind) => `${kind}_`)
const looksLikeId = (text: string): boolean => ID_BEGINNINGS.some((beginning) => text.startsWith(beginning))

export const nameSchema = plainText
  .min(1)
  .max(LIMITS.nameCharsMax)
  .refine((name) => !looksLikeId(name), { error: `must not begin like an id (${ID_BEGINNINGS.join(', ')})` })
export const templateSchema = plainText.min(1).max(LIMITS.nameCharsMax)
export const externalIdSchema = plainText.min(1).max(LIMITS.externalIdCharsMax)

/** A label of DNS, so that it may stand in a host name. */
export const slugSchema = z.string().regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, {
  error: 'must be 1 to 63 of a-z, 0-9 and "-", and neither begin nor end with "-"',
})
export const tagsSchema = z.array(plainText.min(1).max(LIMITS.tagCharsMax)).max(LIMITS.tagsCountMax)
export const timeoutSecSchema = z.int().min(LIMITS.timeoutSecMin).max(LIMITS.timeoutSecMax)
export const idleTimeoutSecSchema = z.int().min(0).max(LIMITS.idleTimeoutSecMax)
