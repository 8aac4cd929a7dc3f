/**
 * The words that open a preview, `<port>-<sandbox>.<preview domain>`.
 *
 *   share token   a region -> whoever it is given to; shows that the owner lets them in; signed under a secret of the pepper
 *   preview pass  the edge -> the region of the sandbox; says which request of a visitor this is; signed as edge tokens are
 *
 * Their audiences differ from those of API keys and edge tokens, so that none can be taken for another.
 */
import * as z from 'zod'

export const SHARE_TOKEN = {
  issuer: 'atoll',
  algorithm: 'HS256',
  type: 'preview+jwt',
  audience: 'atoll:preview',
  /** Before the JWT, so that it can be told from everything else. */
  prefix: 'pv_',
  headers: ['x-atoll-preview-token', 'x-miosa-preview-token'],
  parameter: 'preview_token',
  cookie: 'atoll_preview',
} as const

/** HKDF-SHA256(pepper, no salt, info), 32 bytes. */
export const SHARE_SECRET = { info: 'atoll preview tokens', bytes: 32 } as const

export const shareClaimsSchema = z.object({
  /** The preview's id, which another preview of the same port does not have. */
  sub: z.string(),
  sandbox: z.string(),
  port: z.int(),
  /** Which of the preview's shares it belongs to: those before the last revocation are worth nothing. */
  round: z.int(),
  /** The id of a share that can be revoked by itself. */
  share: z.string().optional(),
  exp: z.int(),
})
export type ShareClaims = z.infer<typeof shareClaimsSchema>

export const PREVIEW_PASS = {
  header: 'x-edge-preview',
  issuer: 'atoll-edge',
  algorithm: 'EdDSA',
  audience: (regionCode: string): string => `preview:${regionCode}`,
  /** Where the edge forwards to: this, the sandbox, the port, and the visitor's own path behind them. */
  path: '/internal/v1/previews',
} as const

export const passClaimsSchema = z.object({
  sandbox: z.string(),
  port: z.int(),
  /** The share that the visitor showed and that is signed and in time. Whether it still counts, the region knows. */
  share: z.object({ preview: z.string(), round: z.int(), id: z.string().optional() }).optional(),
  /** They showed one that is neither. */
  hasBadShare: z.boolean(),
  requestId: z.string(),
  method: z.string(),
  /** Lowercase hex SHA-256 of the path and query exactly as forwarded. */
  pathHash: z.string(),
  /** As the visitor's browser has it. */
  host: z.string(),
  scheme: z.enum(['http', 'https']),
  clientIp: z.string().optional(),
  jti: z.string(),
  iat: z.int(),
  exp: z.int(),
})
export type PassClaims = z.infer<typeof passClaimsSchema>

/** On what a region answers itself, in place of the sandbox. It goes no further than the edge. */
export const REFUSED_HEADER = 'x-preview-refused'
