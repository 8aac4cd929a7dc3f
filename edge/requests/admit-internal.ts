/** Lets in our own regions and nobody else: a secret, or the one before it while it is replaced, compared by digest so that time tells nothing of it. */
import { AppError } from '../../shared/errors.ts'
import type { Bindings } from '../bindings.ts'
import { readConfig } from '../config.ts'
import { sha256Hex } from '../digest.ts'

const BEARER = /^Bearer +(.*\S) *$/i

/** Throws invalid_token. */
export async function admitInternal(request: Request, bindings: Bindings): Promise<void> {
  const { internalTokens } = await readConfig(bindings)
  const given = BEARER.exec(request.headers.get('authorization') ?? '')?.[1] ?? ''
  const [digest, ...believed] = await Promise.all([given, ...internalTokens.believed].map(sha256Hex))
  if (believed.some((one) => one === digest)) return
  throw new AppError('invalid_token', 'This token does not open this route.')
}
