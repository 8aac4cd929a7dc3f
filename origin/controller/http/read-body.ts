/** Reads and checks what a caller sent. Nothing of the body is ever repeated in an error. */
import type { IncomingMessage } from 'node:http'
import type * as z from 'zod'
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'

/**
 * The bytes of a body, counted while they come, so that a body without a length cannot be longer than allowed either.
 *
 * What is too long is read on and thrown away, up to a bound: a server that closes while its caller still writes resets the
 * connection, and the caller never sees why.
 */
export async function readBody(incoming: IncomingMessage, bytesMax: number = LIMITS.bodyBytesMax): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  const late = setTimeout(() => incoming.destroy(), LIMITS.bodyMs)
  try {
    for await (const chunk of incoming as AsyncIterable<Buffer>) {
      size += chunk.length
      if (size <= bytesMax) chunks.push(chunk)
      else if (size > bytesMax + LIMITS.bodyDiscardBytesMax) break
    }
  } catch (cause) {
    // Nobody hears this; it is thrown so that a caller who left is not logged as a failure of ours.
    throw new AppError('invalid_json', 'The body broke off.', { cause })
  } finally {
    clearTimeout(late)
  }
  if (size > bytesMax) throw tooLarge(bytesMax)
  refuseEncoding(incoming.headers['content-encoding'])
  return Buffer.concat(chunks)
}

/** A few bytes that are packed may become any number of them. */
export function refuseEncoding(encoding: string | undefined): void {
  if (encoding === undefined || /^(identity)?$/i.test(encoding.trim())) return
  throw new AppError('encoding_not_taken', 'The body has a Content-Encoding; bodies are read as they are sent.')
}

const tooLarge = (bytesMax: number): AppError =>
  new AppError('body_too_large', `The body may have at most ${bytesMax} bytes.`)

const UTF8 = new TextDecoder('utf-8', { fatal: true })

/** One JSON object. No body at all is an empty object, because every field of some routes is optional. */
export function parseJsonObject(bytes: Uint8Array): Record<string, unknown> {
  if (bytes.length === 0) return {}
  let value: unknown
  try {
    value = JSON.parse(UTF8.decode(bytes))
  } catch {
    throw new AppError('invalid_json', 'The body is not JSON.')
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new AppError('invalid_json', 'The body is not a JSON object.')
  return value as Record<string, unknown>
}

/** Throws invalid_request with every wrong field and what is wrong with it. */
export function checkFields<Schema extends z.ZodType>(schema: Schema, value: unknown): z.infer<Schema> {
  const read = schema.safeParse(value)
  if (read.success) return read.data
  const details: Record<string, string[]> = {}
  for (const issue of read.error.issues.slice(0, LIMITS.fieldsRefusedMax)) {
    const field = nameOf(issue.path)
    details[field] = [...(details[field] ?? []), issue.message]
  }
  throw new AppError('invalid_request', `These fields are not valid: ${Object.keys(details).join(', ')}.`, { details })
}

/** `tags.3`, but `env` for all that is in it: its names are the caller's own words, and any number of them. */
const nameOf = ([field = 'body', index]: readonly PropertyKey[]): string =>
  typeof index === 'number' ? `${String(field)}.${index}` : String(field)

/**
 * No store takes NUL, and no name or filter of ours has one. One that is given twice would count only once, but for those whose name
 * ends in `[]`, which are lists.
 */
export function checkQuery<Schema extends z.ZodType>(schema: Schema, query: Record<string, string[]>): z.infer<Schema> {
  const wrong = Object.entries(query).flatMap(([name, values]) => {
    if (values.length > 1 && !isList(name)) return [[name, ['must be given once']]]
    return values.some((value) => value.includes('\0')) ? [[name, ['must not contain NUL']]] : []
  })
  if (wrong.length > 0)
    throw new AppError('invalid_request', 'A query parameter is given twice or contains NUL.', {
      details: Object.fromEntries(wrong.slice(0, LIMITS.fieldsRefusedMax)),
    })
  const given = Object.entries(query).map(([name, values]) => [name, isList(name) ? values : values[0]])
  return checkFields(schema, Object.fromEntries(given))
}

const isList = (name: string): boolean => name.endsWith('[]')
