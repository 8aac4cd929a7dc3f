/** What our own machines send to the edge: admitted, bounded, and checked against its contract. */
import type { Context } from 'hono'
import type * as z from 'zod'
import { AppError } from '../../shared/errors.ts'
import type { Edge } from '../bindings.ts'
import { admitInternal } from './admit-internal.ts'

/** Throws invalid_token, body_too_large, invalid_json, invalid_request. */
export async function internalBody<Schema extends z.ZodType>(
  c: Context<Edge>,
  schema: Schema,
  bytesMax: number,
): Promise<z.infer<Schema>> {
  await admitInternal(c.req.raw, c.env)
  const length = Number(c.req.header('content-length') ?? Number.NaN)
  if (!(length <= bytesMax))
    throw new AppError('body_too_large', `The body must say its length and have at most ${bytesMax} bytes.`)
  const body: unknown = await c.req.json().catch((cause: unknown) => {
    throw new AppError('invalid_json', 'The body is not JSON.', { cause })
  })
  const read = schema.safeParse(body)
  if (read.success) return read.data
  throw new AppError('invalid_request', 'These words are not of the contract.', { cause: read.error })
}
