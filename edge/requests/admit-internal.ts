/** Lets in our own regions and nobody else: one secret, compared by digest so that time tells nothing of it. */
import { AppError } from '../../shared/errors.ts'
import type { Bindings } from '../bindings.ts'
import { readConfig } from '../config.ts'
import { sha256Hex } from '../digest.ts'

const BEARER = /^Bearer +(.*\S) *$/i

/** Throws invalid_token. */
export async function admitInternal(request: Request, bindings: Bindings): Promise<void> {
  const { internalToken } = await readConfig(bindings)
  const given = BEARER.exec(request.headers.get('authorization') ?? '')?.[1] ?? ''
  if ((await sha256Hex(given)) === (await sha256Hex(internalToken))) return
  throw new AppError('invalid_token', 'This token does not open this route.')
}
