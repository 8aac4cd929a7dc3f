/** The Worker's settings, checked once per isolate. A bad one is a 503 that says so in the log, never a crash. */
import { importJWK, type JWK } from 'jose'
import * as z from 'zod'
import { BROWSER_SECRET } from '../shared/browser-token.ts'
import { EDGE_TOKEN } from '../shared/edge-token.ts'
import { AppError } from '../shared/errors.ts'
import { type InternalTokens, internalTokensSchema } from '../shared/internal-token.ts'
import { SHARE_SECRET } from '../shared/preview-words.ts'
import type { Bindings } from './bindings.ts'

const configSchema = z.object({
  EDGE_SIGNING_KEY: z.string().min(1),
  KEY_PEPPER: z.string().min(16),
  INTERNAL_TOKEN: internalTokensSchema,
  TRUSTED_PROXY: z.enum(['true', 'false']).default('false'),
})

const signingKeySchema = z.object({
  kty: z.literal('OKP'),
  crv: z.literal('Ed25519'),
  kid: z.string().min(1),
  x: z.string(),
  d: z.string(),
})

export type Config = {
  signing: { key: CryptoKey; kid: string }
  pepper: CryptoKey
  /** Under which words for browsers are signed. */
  browserSecret: Uint8Array
  /** Under which the shares of previews are signed. */
  shareSecret: Uint8Array
  internalTokens: InternalTokens
  trustsProxy: boolean
}

let kept: { from: string; config: Config } | null = null

/** Throws configuration_unavailable. Importing keys costs more than a request does, so the result outlives the request. */
export async function readConfig(bindings: Bindings): Promise<Config> {
  const from = `${bindings.EDGE_SIGNING_KEY}|${bindings.KEY_PEPPER}|${bindings.INTERNAL_TOKEN}|${bindings.TRUSTED_PROXY}`
  if (kept?.from === from) return kept.config
  try {
    const config = await importConfig(configSchema.parse(bindings))
    kept = { from, config }
    return config
  } catch (cause) {
    throw new AppError('configuration_unavailable', 'The service is not configured.', {
      detail: 'A secret or variable of the Worker is missing or malformed.',
      cause,
    })
  }
}

async function importConfig(values: z.infer<typeof configSchema>): Promise<Config> {
  const jwk = signingKeySchema.parse(JSON.parse(values.EDGE_SIGNING_KEY)) satisfies JWK
  const key = await importJWK(jwk, EDGE_TOKEN.algorithm)
  if (key instanceof Uint8Array) throw new TypeError('The signing key is not an asymmetric key.')
  const pepper = new TextEncoder().encode(values.KEY_PEPPER)
  return {
    signing: { key, kid: jwk.kid },
    pepper: await crypto.subtle.importKey('raw', pepper, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']),
    browserSecret: await derive(pepper, BROWSER_SECRET),
    shareSecret: await derive(pepper, SHARE_SECRET),
    internalTokens: values.INTERNAL_TOKEN,
    trustsProxy: values.TRUSTED_PROXY === 'true',
  }
}

async function derive(pepper: Uint8Array, secret: { info: string; bytes: number }): Promise<Uint8Array> {
  const key = await crypto.subtle.importKey('raw', pepper, 'HKDF', false, ['deriveBits'])
  const info = new TextEncoder().encode(secret.info)
  const algorithm = { name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(0), info }
  return new Uint8Array(await crypto.subtle.deriveBits(algorithm, key, secret.bytes * 8))
}
