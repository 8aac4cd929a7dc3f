/** The routes of policies and rules: parse, call, translate. They hold for the whole tenant, so only whoever speaks for all of it has any. */
import { EGRESS_ROUTES } from '../../../shared/contracts/egress.ts'
import type { Principal } from '../accounts/principal.ts'
import {
  createPolicy,
  listPolicies,
  removePolicy,
  toPolicyRecord,
  updateOnlyPolicy,
  updatePolicy,
} from '../egress/policies.ts'
import { createRule, listRules, removeRule, toRuleRecord } from '../egress/rules.ts'
import { asOwner } from './as-owner.ts'
import { json, type Serve } from './serve-route.ts'

export function serveEgress(serve: Serve<Principal>): void {
  serve(
    EGRESS_ROUTES.listPolicies,
    asOwner(async ({ controller, principal, query }) => {
      const { rows, nextCursor } = await listPolicies(controller.database.db, principal.tenant, query)
      return json({ data: rows.map(toPolicyRecord), next_cursor: nextCursor })
    }),
  )
  serve(
    EGRESS_ROUTES.createPolicy,
    asOwner(async ({ controller, principal, body }) =>
      json({ data: toPolicyRecord(await createPolicy(controller, principal, body)) }),
    ),
  )
  serve(
    EGRESS_ROUTES.updateOnePolicy,
    asOwner(async ({ controller, principal, body }) =>
      json({ data: toPolicyRecord(await updateOnlyPolicy(controller, principal, body)) }),
    ),
  )
  serve(
    EGRESS_ROUTES.updatePolicy,
    asOwner(async ({ controller, principal, reference, body }) =>
      json({ data: toPolicyRecord(await updatePolicy(controller, principal, reference, body)) }),
    ),
  )
  serve(
    EGRESS_ROUTES.removePolicy,
    asOwner(async ({ controller, principal, reference }) => {
      await removePolicy(controller, principal, reference)
      return { text: null }
    }),
  )
  serve(
    EGRESS_ROUTES.listRules,
    asOwner(async ({ controller, principal, query }) => {
      const { rows, nextCursor } = await listRules(controller.database.db, principal.tenant, query)
      return json({ data: rows.map(toRuleRecord), next_cursor: nextCursor })
    }),
  )
  serve(
    EGRESS_ROUTES.createRule,
    asOwner(async ({ controller, principal, body }) =>
      json({ data: toRuleRecord(await createRule(controller, principal, body)) }),
    ),
  )
  serve(
    EGRESS_ROUTES.removeRule,
    asOwner(async ({ controller, principal, reference }) => {
      await removeRule(controller, principal, reference)
      return { text: null }
    }),
  )
}
