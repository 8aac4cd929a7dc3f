/**
 * How a tenant's limit of concurrent sandboxes is shared out between regions, so that it is exact without a round trip per create.
 *
 *   region    quota_grant: what it may use of the limit, and an epoch       the only judge of a create
 *   authority one Durable Object per tenant: what each region holds         the sum of it never exceeds the limit
 *
 * One exchange, begun by the region:
 *   1. the region draws a new epoch, so that no answer to an older question can be applied any more, and says what it has;
 *   2. the authority takes exactly that as what the region holds, raises it where the limit has room, and answers;
 *   3. the region writes the answer down, if its epoch is still that of the question.
 * A region therefore never has more than the authority counts for it: it has lowered its row before the authority hears of it, and
 * the authority has raised before the region does. Whatever is lost, doubled, late or killed in between leaves slots unused until
 * the next exchange, and never a slot used twice.
 *
 * What a region holds is the larger of its share and its running sandboxes, so that after a limit was lowered nothing new is let in
 * anywhere before enough has ended.
 *
 * A dead region keeps what it holds until an operator fences it. That is a person's word that its controllers do not run: nothing
 * here could tell a dead region from one that is only cut off from the edge and goes on serving its own callers. When the first
 * controller of such a region starts again it forfeits its whole share before it serves anybody, and so creates nothing before an
 * exchange; what of its old sandboxes still runs is counted from then on.
 */
import * as z from 'zod'
import { regionCodeSchema } from '../regions.ts'
import { route } from './route.ts'

const count = z.int().min(0)
const tenant = z.string().min(1).max(200)

export const quotaReport = z.object({
  region: regionCodeSchema,
  tenant,
  epoch: z.int().min(1),
  granted: count,
  used: count,
  /**
   * `need`: creates are waiting, `want` of them. `ahead`: the share in hand is nearly used up. `report`: nothing is asked for.
   * Only for a need are other regions asked to give something back.
   */
  reason: z.enum(['need', 'ahead', 'report']),
  want: count,
  /** The tenant's limit as the region knows it, and how new that is: the newest word counts. */
  limit: count,
  limit_version: count,
})
export type QuotaReport = z.infer<typeof quotaReport>

export const quotaAnswer = z.discriminatedUnion('kind', [
  /** What the region may have from now on; less than it reported when the limit was lowered. `running` is the sum over regions. */
  z.object({ kind: z.literal('share'), epoch: z.int(), granted: count, limit: count, running: count }),
  /** The epoch is not above the last one seen, which is `epoch`: the region goes on above it. */
  z.object({ kind: z.literal('late'), epoch: z.int() }),
])
export type QuotaAnswer = z.infer<typeof quotaAnswer>

export const giveBackBody = z.object({ tenant, need: z.int().min(1) })

/** The region's row as it is now. Only when it was lowered is the epoch a new one. */
export const quotaRow = z.object({ epoch: count, granted: count, used: count, lowered: z.boolean() })
export type QuotaRow = z.infer<typeof quotaRow>

export const fenceBody = z.object({ region: regionCodeSchema, tenant })

/** Without a tenant, of all tenants. */
export const fenceRegionBody = z.object({ region: regionCodeSchema, tenant: tenant.optional() })

/** What a region answers to the authority. */
export const QUOTA_REGION_ROUTES = {
  giveBack: route({
    method: 'POST',
    path: '/internal/v1/quota/give-back',
    class: 'change',
    scope: null,
    summary: 'Lower the share of a tenant by what is not used of it.',
    body: giveBackBody,
    status: 200,
    answer: quotaRow,
  }),
} as const

/** What the edge, where the authority lives, answers to regions and operators. */
export const QUOTA_EDGE_ROUTES = {
  exchange: route({
    method: 'POST',
    path: '/internal/v1/quota/exchange',
    class: 'change',
    scope: null,
    summary: 'Report the share of a tenant and take a new one.',
    body: quotaReport,
    status: 200,
    answer: quotaAnswer,
  }),
  fence: route({
    method: 'POST',
    path: '/internal/v1/quota/fence',
    class: 'change',
    scope: null,
    summary: 'Take back what a region holds of a tenant. Only for a region whose controllers do not run.',
    body: fenceBody,
    status: 204,
  }),
} as const

/** What an operator asks of any region that lives. */
export const QUOTA_OPERATOR_ROUTES = {
  fence: route({
    method: 'POST',
    path: '/v1/admin/quota/fence',
    class: 'change',
    scope: null,
    summary: 'Free what a dead region holds of the limits. Make sure first that none of its controllers runs.',
    body: fenceRegionBody,
    status: 200,
    answer: z.object({ data: z.object({ region: z.string(), tenants: z.int() }) }),
  }),
} as const
