/** From what a request shows to who is asking: the record of the key, narrowed by the token, ticket or link that was made with it. */
import { errors, jwtDecrypt } from 'jose'
import type * as z from 'zod'
import type { KeyRecord } from '../../shared/accounts.ts'
import {
  BROWSER_TOKEN,
  type BrowserClaims,
  browserClaimsSchema,
  linkClaimsSchema,
  narrowedScopes,
  opensRequest,
  SIGNED_LINK,
  STREAM_TICKET,
  splitLink,
} from '../../shared/browser-token.ts'
import { AppError } from '../../shared/errors.ts'
import { refusalOfLink } from '../../shared/refuse-link.ts'
import { sha256Hex } from '../digest.ts'
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

/** The request as a region will be asked: without the prefix that names the region. */
export type Asked = { method: string; pathAndQuery: string }

/** Throws invalid_token, revoked_token, link_refused, configuration_unavailable. */
export async function identifyCaller(credential: Credential, asking: Asking, asked: Asked): Promise<Caller> {
  try {
    return await identify(credential, asking, asked)
  } catch (thrown) {
    throw credential.kind === 'link' ? refusalOfLink(thrown) : thrown
  }
}

async function identify(credential: Credential, asking: Asking, asked: Asked): Promise<Caller> {
  const { nowMs } = asking.reading
  if (credential.kind === 'key')
    return admitKey(await findKey(await hashKey(asking.config.pepper, credential.key), asking), nowMs)
  const payload = await verify(credential.kind, credential.jwt, asking)
  const claims = read(browserClaimsSchema, payload)
  if (credential.kind === 'link') await requireLinkOf(asked, payload)
  const key = admitKey(await findKey(claims.keyHash, asking), nowMs)
  if (key.id !== claims.sub || key.keyVersion !== claims.keyVersion) throw refused()
  return { ...narrowed(key, claims), ...(credential.kind === 'ticket' ? { ticket: claims.jti } : {}) }
}

const WORDS = { token: BROWSER_TOKEN, ticket: STREAM_TICKET, link: SIGNED_LINK } as const

async function verify(kind: keyof typeof WORDS, jwt: string, { config, reading }: Asking): Promise<unknown> {
  const word = WORDS[kind]
  const { payload } = await jwtDecrypt(jwt, config.browserSecret, {
    keyManagementAlgorithms: [word.algorithm],
    contentEncryptionAlgorithms: [word.encryption],
    issuer: word.issuer,
    audience: word.audience,
    typ: word.type,
    currentDate: new Date(reading.nowMs),
  }).catch((cause: unknown) => {
    if (cause instanceof errors.JWTExpired) throw new AppError('revoked_token', `This ${kind} has expired.`)
    throw refused(cause)
  })
  return payload
}

function read<Schema extends z.ZodType>(schema: Schema, payload: unknown): z.infer<Schema> {
  const claims = schema.safeParse(payload)
  if (!claims.success) throw refused(claims.error)
  return claims.data
}

async function requireLinkOf({ method, pathAndQuery }: Asked, payload: unknown): Promise<void> {
  const target = splitLink(pathAndQuery)?.target ?? ''
  if (opensRequest(read(linkClaimsSchema, payload), method, await sha256Hex(target))) return
  throw refused()
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
