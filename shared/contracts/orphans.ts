/** What the edge tells a region whose create it has made elsewhere, because the region's answer was lost. For our own machines only. */
import * as z from 'zod'
import { LIMITS } from '../limits.ts'
import { regionCodeSchema } from '../regions.ts'
import { route } from './route.ts'

export const orphanBody = z.object({
  tenant: z.string().min(1),
  idempotency_key: z.string().min(1).max(LIMITS.idempotencyKeyCharsMax),
  /** Of the key that asked, when it is one of a tenant's own user. */
  external_user_id: z.string().nullish(),
  /** By which door the create came. A create that runs a command is never made elsewhere. */
  door: z.enum(['create', 'podflare']).default('create'),
  /** Hex SHA-256 of the body, by which a repeat is told from another request. */
  body_sha256: z.string().regex(/^[0-9a-f]{64}$/),
  /** The region that has the sandbox of this key now. */
  owner: regionCodeSchema,
})
export type Orphan = z.infer<typeof orphanBody>

export const ORPHAN_ROUTES = {
  abandon: route({
    method: 'POST',
    path: '/internal/v1/orphans',
    class: 'change',
    scope: null,
    summary:
      'Give a create up for one in another region: its sandbox is destroyed, and none comes of its key here any more. Safe to repeat.',
    body: orphanBody,
    status: 200,
    answer: z.object({ data: z.object({ sandbox_id: z.string().nullable() }) }),
  }),
} as const
