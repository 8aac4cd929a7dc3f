/** What the edge vouches for when it forwards a request: the claims of one Ed25519 JWT, good for one request to one region. */
import * as z from 'zod'
import { tierSchema } from './accounts.ts'

export const EDGE_TOKEN = {
  header: 'x-edge-token',
  issuer: 'atoll-edge',
  algorithm: 'EdDSA',
  audience: (regionCode: string): string => `region:${regionCode}`,
} as const

export const edgeClaimsSchema = z.object({
  iss: z.literal(EDGE_TOKEN.issuer),
  aud: z.string(),
  /** The API key's id, never the key. */
  sub: z.string(),
  keyVersion: z.int(),
  tenant: z.string(),
  tier: z.string(),
  scopes: z.array(z.string()),
  /** Of the tier, tightened by those of the key. */
  limits: tierSchema,
  /** Requests a minute that the edge has no counter for, and leaves to the region: of the tenant, and of the key alone. */
  uncounted: z.object({ tenant: z.int().positive().optional(), key: z.int().positive().optional() }).optional(),
  externalUser: z.string().optional(),
  /** A browser's token is good for this sandbox only. */
  sandbox: z.string().optional(),
  /** The caller came with a word for browsers, not with the key. */
  temporary: z.literal(true).optional(),
  /** The id of the ticket that opened this request; the region uses it up. */
  ticket: z.string().optional(),
  requestId: z.string(),
  /** Where the caller has found the edge, such as `https://api.example.com`. */
  origin: z.string().optional(),
  method: z.string(),
  /** Lowercase hex SHA-256 of the path and query exactly as forwarded. */
  pathHash: z.string(),
  /** Lowercase hex SHA-256 of the body, present when the edge buffered it. */
  bodyHash: z.string().optional(),
  idempotencyKey: z.string().optional(),
  attempt: z.int(),
  clientIp: z.string().optional(),
  geo: z.object({ continent: z.string().optional(), country: z.string().optional() }).optional(),
  jti: z.string(),
  iat: z.int(),
  exp: z.int(),
})
export type EdgeClaims = z.infer<typeof edgeClaimsSchema>
