/**
 * What was used and what it costs: by day, sandbox, workspace or the tenant's own user, each region for what ran there.
 *
 * Time is metered to the millisecond. Costs are added up exactly and rounded once, to a millionth of the currency, in each row; so a sum
 * (which is added up exactly, too) may differ from the sum of its rows in that digit. Days are those of UTC.
 */
import * as z from 'zod'
import { LIMITS } from '../limits.ts'
import { route } from './route.ts'

/** A day is its first moment. */
const point = z.union([z.iso.date(), z.iso.datetime({ offset: true })], {
  error: 'must be a date (2026-01-31) or a point in time (2026-01-31T12:00:00Z)',
})
const period = {
  from: point
    .optional()
    .describe('From this day or moment on; a day is its first moment, in UTC. Default: the first day of this month.'),
  to: point
    .optional()
    .describe(
      'Up to this day or moment, which is not included. Default: now. What still runs or is paused counts up to now.',
    ),
}
const page = {
  limit: z.coerce
    .number()
    .int()
    .min(1)
    .max(LIMITS.listRowsMax)
    .optional()
    .describe(`How many rows at most. Default: ${LIMITS.listRowsMax}.`),
  cursor: z.string().max(LIMITS.usageCursorCharsMax).optional().describe('The id of the last row of the page before.'),
}

export const USAGE_GROUPS = ['day', 'sandbox', 'workspace', 'external_user'] as const
export type UsageGroup = (typeof USAGE_GROUPS)[number]

export const usagePeriod = z.object(period)
export type UsagePeriod = z.infer<typeof usagePeriod>
export const usageQuery = z.object({
  ...period,
  ...page,
  group_by: z.enum(USAGE_GROUPS).default('day').describe('What a row is of. Default: `day`.'),
})
export type UsageQuery = z.infer<typeof usageQuery>
export const sessionsQuery = z.object(page)
export type SessionsQuery = z.infer<typeof sessionsQuery>

const amounts = {
  vcpu_seconds: z.number().describe('Virtual processors times the seconds that they ran.'),
  memory_gib_seconds: z.number().describe('GiB of memory times the seconds that they ran.'),
  paused_memory_gib_seconds: z.number().describe('GiB of memory times the seconds that they were paused.'),
  disk_gib_seconds: z.number().describe('GiB of disk times the seconds that they ran or were paused.'),
  running_seconds: z.number().describe('Seconds that they ran.'),
  paused_seconds: z.number().describe('Seconds that they were paused.'),
  cost: z.number().describe('What that costs, in the currency beside it.'),
}
export const usageAmounts = z.object(amounts)
export type UsageAmounts = z.infer<typeof usageAmounts>

export const usageRow = z.object({
  id: z.string(),
  region: z.string().describe('Where that was.'),
  day: z.iso.date().optional().describe('Of UTC. When grouped by day.'),
  sandbox_id: z.string().optional().describe('When grouped by sandbox.'),
  workspace_id: z.string().nullable().optional().describe('When grouped by workspace; null is the default one.'),
  external_user_id: z.string().nullable().optional().describe('When grouped by your own users; null is none.'),
  ...amounts,
  currency: z.string().describe('ISO 4217.'),
})
export type UsageRow = z.infer<typeof usageRow>

/** What one sandbox was without a break: running, or paused. */
export const usageSession = z.object({
  id: z.string(),
  sandbox_id: z.string(),
  workspace_id: z.string().nullable(),
  external_user_id: z.string().nullable(),
  region: z.string(),
  state: z.enum(['running', 'paused']).describe('Which of the two it was all that time.'),
  cpu_count: z.int().describe('Virtual processors.'),
  memory_mb: z.int().describe('Memory in MiB.'),
  disk_size_mb: z.int().describe('Disk in MiB.'),
  started_at: z.iso.datetime(),
  ended_at: z.iso.datetime().nullable().describe('Null while it still is.'),
  duration_sec: z.number().describe('Seconds, up to now if it still is.'),
})
export type UsageSession = z.infer<typeof usageSession>

/** The edge adds up the numbers over the regions; of the words, the first region's stand. */
export const usageTotal = z.object({
  ...amounts,
  currency: z.string().describe('ISO 4217.'),
  from: z.iso.datetime().describe('Where the sum begins.'),
  to: z.iso.datetime().describe('Where it ends.'),
})
export type UsageTotal = z.infer<typeof usageTotal>
const sum = z.object({ data: usageTotal })

/** Nothing is prepaid here: usage is metered and priced, and no balance stands in its way. */
export const creditsBalance = z.object({
  unlimited: z.literal(true).describe('Always true: nothing is prepaid.'),
  balance: z.number(),
  balance_credits: z.number(),
  lifetime_earned: z.number(),
  lifetime_spent: z.number(),
  expires_at: z.null(),
  credit_expiry_at: z.null(),
  tenant_id: z.string(),
  updated_at: z.iso.datetime(),
})

export const transactionsQuery = z.object({
  page: z.coerce.number().int().min(1).default(1).describe('The number of the page, from 1. Default: 1.'),
  per_page: z.coerce
    .number()
    .int()
    .min(1)
    .max(LIMITS.listRowsMax)
    .default(LIMITS.listRowsMax)
    .describe(`Rows of a page. Default: ${LIMITS.listRowsMax}.`),
})

export const USAGE_ROUTES = {
  usage: route({
    method: 'GET',
    path: '/v1/usage',
    class: 'list',
    scope: 'usage:read',
    summary:
      'What was used and what it costs, by day, sandbox, workspace or user of yours, in descending order of the row’s `id`: newest first by day.',
    query: usageQuery,
    status: 200,
    answer: z.object({ data: z.array(usageRow), next_cursor: z.string().nullable() }),
  }),
  summary: route({
    method: 'GET',
    path: '/v1/usage/summary',
    class: 'sum',
    scope: 'usage:read',
    summary: 'What was used and what it costs, in all.',
    query: usagePeriod,
    status: 200,
    answer: sum,
  }),
  sessions: route({
    method: 'GET',
    path: '/v1/usage/sessions',
    class: 'list',
    scope: 'usage:read',
    summary: 'When each sandbox ran and was paused, newest first.',
    query: sessionsQuery,
    status: 200,
    answer: z.object({ data: z.array(usageSession), next_cursor: z.string().nullable() }),
  }),
  /** Not in an envelope: a client in the field hands it on as it is. */
  creditsUsage: route({
    method: 'GET',
    path: '/v1/credits/usage',
    class: 'sum',
    scope: 'usage:read',
    summary: 'The same as the summary, without its envelope.',
    query: usagePeriod,
    status: 200,
    answer: usageTotal,
  }),
  balance: route({
    method: 'GET',
    path: '/v1/credits/balance',
    class: 'read',
    scope: 'usage:read',
    summary: 'A balance that is never drawn on.',
    status: 200,
    answer: creditsBalance,
  }),
  transactions: route({
    method: 'GET',
    path: '/v1/credits/transactions',
    class: 'read',
    scope: 'usage:read',
    summary: 'Always empty, because nothing is prepaid.',
    query: transactionsQuery,
    status: 200,
    answer: z.object({
      data: z.array(z.never()),
      transactions: z.array(z.never()),
      meta: z.object({ page: z.int(), per_page: z.int(), total: z.literal(0) }),
    }),
  }),
} as const

/** No finer than the table of rates keeps it. */
const price = z
  .number()
  .min(0)
  .max(LIMITS.priceMax)
  .refine((value) => Number(value.toFixed(9)) === value, { error: 'must have at most 9 decimals' })

export const rates = z.object({
  /** ISO 4217. One for all, so that costs can be added up. */
  currency: z.string().regex(/^[A-Z]{3}$/, { error: 'must be three capital letters' }),
  /** Each counts from its day on, until the next one; before the first, nothing costs anything. All per hour. */
  rates: z
    .array(
      z.object({
        since: z.iso.date(),
        vcpu: price,
        memory_gib: price,
        paused_memory_gib: price,
        disk_gib: price,
      }),
    )
    .min(1)
    .max(LIMITS.ratesMax)
    .refine((rows) => new Set(rows.map(({ since }) => since)).size === rows.length, {
      error: 'must have one rate a day at most',
    }),
})
export type Rates = z.infer<typeof rates>

/** For operators, of this region. What was used before is priced anew, too: bills that were sent are not kept here. */
export const RATE_ROUTES = {
  read: route({
    method: 'GET',
    path: '/v1/admin/rates',
    class: 'read',
    scope: null,
    summary: 'What usage costs.',
    status: 200,
    answer: z.object({ data: rates }),
  }),
  replace: route({
    method: 'PUT',
    path: '/v1/admin/rates',
    class: 'change',
    scope: null,
    summary: 'Replace all rates.',
    body: rates,
    status: 200,
    answer: z.object({ data: rates }),
  }),
} as const
