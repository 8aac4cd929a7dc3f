/** What the home region tells the other regions and the edge about accounts. For our own machines only. */
import * as z from 'zod'
import { keyRecordSchema, tiersSchema } from '../accounts.ts'
import { LIMITS } from '../limits.ts'
import { route } from './route.ts'

/** Rows as the home's database has them, by table. */
const pageSchema = z.object({
  /** Where to go on from. */
  place: z.int().min(0),
  is_complete: z.boolean(),
  /** What was told below this version and not again since is not known at home any more. */
  floor: z.int().min(0),
  rows: z.record(z.string(), z.array(z.record(z.string(), z.unknown()))),
})
export const accountPage = z.object({ data: pageSchema })
export type AccountPage = z.infer<typeof pageSchema>

const count = (max: number) => z.coerce.number().int().min(0).max(max)

export const ACCOUNT_FEED_ROUTES = {
  changes: route({
    method: 'GET',
    path: '/internal/v1/accounts/changes',
    class: 'home',
    scope: null,
    summary: 'What has changed in the accounts after a version; waits for a change when there is none.',
    query: z.object({
      after: count(Number.MAX_SAFE_INTEGER),
      limit: count(LIMITS.accountsFeedRowsMax).min(1).default(LIMITS.accountsFeedRowsMax),
      wait_ms: count(LIMITS.accountsFeedWaitMsMax).default(0),
    }),
    status: 200,
    answer: accountPage,
  }),
  key: route({
    method: 'GET',
    path: '/internal/v1/keys/:hash',
    class: 'home',
    scope: null,
    summary: 'The record of a key by the hash of its secret, or null.',
    status: 200,
    answer: z.object({ data: keyRecordSchema.nullable() }),
  }),
} as const

/** `PUT /internal/v1/kv` at the edge: records of keys by the hash of their secret, and all tiers when one has changed. */
export const edgeRecords = z.object({
  keys: z
    .array(z.object({ hash: z.string().regex(/^[0-9a-f]{64}$/), record: keyRecordSchema }))
    .max(LIMITS.edgePushRowsMax),
  tiers: tiersSchema.optional(),
})
export type EdgeRecords = z.infer<typeof edgeRecords>
export const EDGE_RECORDS_PATH = '/internal/v1/kv'
