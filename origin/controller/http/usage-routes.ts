/** The routes of usage and of what it costs: parse, call, translate. */
import { RATE_ROUTES, USAGE_ROUTES } from '../../../shared/contracts/usage.ts'
import type { Principal } from '../accounts/principal.ts'
import type { Controller } from '../controller.ts'
import { listSessions } from '../metering/list-sessions.ts'
import { periodOf } from '../metering/period.ts'
import { readRates, replaceRates } from '../metering/rates.ts'
import { listUsage, totalUsage } from '../metering/report-usage.ts'
import { json, type Outcome, type Serve } from './serve-route.ts'

export function serveUsage(serve: Serve<Principal>): void {
  serve(USAGE_ROUTES.usage, async ({ controller, principal, query }) =>
    json(await listUsage(controller, principal, query)),
  )
  serve(USAGE_ROUTES.sessions, async ({ controller, principal, query }) =>
    json(await listSessions(controller, principal, query)),
  )
  serve(USAGE_ROUTES.summary, async ({ controller, principal, query }) =>
    json({ data: await totalUsage(controller, principal, periodOf(query, controller.clock())) }),
  )
  serve(USAGE_ROUTES.creditsUsage, async ({ controller, principal, query }) =>
    json(await totalUsage(controller, principal, periodOf(query, controller.clock()))),
  )
  serve(USAGE_ROUTES.balance, async ({ controller, principal }) => json(balanceOf(controller, principal)))
  serve(USAGE_ROUTES.transactions, async ({ query: { page, per_page } }) =>
    json({ data: [], transactions: [], meta: { page, per_page, total: 0 } }),
  )
}

export function serveRates(serve: Serve<null>): void {
  serve(RATE_ROUTES.read, async ({ controller }) => answerRates(controller))
  serve(RATE_ROUTES.replace, async ({ controller, body }) => {
    await replaceRates(controller.database.db, body)
    controller.log('info', 'rates.replaced', { currency: body.currency, count: body.rates.length })
    return answerRates(controller)
  })
}

const answerRates = async ({ database }: Controller): Promise<Outcome> => json({ data: await readRates(database.db) })

/** Clients in the field refuse to work without a number; this one is never drawn on. */
const BALANCE = 1_000_000_000

const balanceOf = ({ clock }: Controller, { tenant }: Principal) => ({
  unlimited: true,
  balance: BALANCE,
  balance_credits: BALANCE,
  lifetime_earned: BALANCE,
  lifetime_spent: 0,
  expires_at: null,
  credit_expiry_at: null,
  tenant_id: tenant,
  updated_at: new Date(clock()).toISOString(),
})
