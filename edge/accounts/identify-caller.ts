/** From what a request shows to who is asking: the record of the key, narrowed by the token or ticket that was made with it. */
import { errors, jwtDecrypt } from 'jose'
import type { KeyRecord } from '../../shared/accounts.ts'
import {
  BROWSER_TOKEN,
  type BrowserClaims,
  browserClaimsSchema,
  narrowedScopes,
  STREAM_TICKET,
} from '../../shared/browser-token.ts'
import { AppError } from '../../shared/errors.ts'
import type { Credential } from './credential.ts'
import { type Asking, findKey } from './find-key.ts'
import { hashKey } from './hash-key.ts'
import { admitKey } from './judge-key.ts'

export type Caller = KeyRecord & {
  /** The only sandbox that it may name. */
  sandbox?: string
  /** Present when it came with a word for browsers and not with the key. */
  temporary?: true
  /** The id of its ticket, for the region to use up. */
  ticket?: string
}

/** Throws invalid_token, revoked_token, configuration_unavailable. */
export async function identifyCaller(credential: Credential, asking: Asking): Promise<Caller> {
  const { nowMs } = asking.reading
  if (credential.kind === 'key')
    return admitKey(await findKey(await hashKey(asking.config.pepper, credential.key), asking), nowMs)
  const claims = await verify(credential.kind, credential.jwt, asking)
  const key = admitKey(await findKey(claims.keyHash, asking), nowMs)
  if (key.id !== claims.sub || key.keyVersion !== claims.keyVersion) throw refused()
  return { ...narrowed(key, claims), ...(credential.kind === 'ticket' ? { ticket: claims.jti } : {}) }
}

async function verify(kind: 'token' | 'ticket', jwt: string, { config, reading }: Asking): Promise<BrowserClaims> {
  const word = kind === 'token' ? BROWSER_TOKEN : STREAM_TICKET
  const verified = await jwtDecrypt(jwt, config.browserSecret, {
    keyManagementAlgorithms: [word.algorithm],
    contentEncryptionAlgorithms: [word.encryption],
    issuer: word.issuer,
    audience: word.audience,
    typ: word.type,
    currentDate: new Date(reading.nowMs),
  }).catch((cause: unknown) => {
    if (cause instanceof errors.JWTExpired) throw new AppError('revoked_token', 'This token has expired.')
    throw refused(cause)
  })
  const claims = browserClaimsSchema.safeParse(verified.payload)
  if (!claims.success) throw refused(claims.error)
  return claims.data
}

function narrowed(key: KeyRecord, { scopes, externalUser, sandbox }: BrowserClaims): Caller {
  const user = key.externalUser ?? externalUser
  return {
    ...key,
    scopes: narrowedScopes(key.scopes, scopes),
    ...(user === undefined ? {} : { externalUser: user }),
    ...(sandbox === undefined ? {} : { sandbox }),
    temporary: true,
  }
}

const refused = (cause?: unknown): AppError => new AppError('invalid_token', 'The token was refused.', { cause })
