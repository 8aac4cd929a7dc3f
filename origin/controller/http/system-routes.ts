/** What machines ask of this process: whether it lives, whether it can serve, and how much room the region has. */
import type { Context } from 'hono'
import { preflightHeaders } from '../../../shared/cors.ts'
import { AppError } from '../../../shared/errors.ts'
import { knowsAccounts } from '../accounts/knows-accounts.ts'
import type { Controller } from '../controller.ts'
import { regionCapacity } from '../placement/region-capacity.ts'
import { answerError } from './answer-error.ts'
import { type Arrival, answerHeaders, arrive } from './arrival.ts'
import { type Credentials, requireInternal, requireOurs } from './authenticate.ts'
import type { Env } from './serve-route.ts'

export type Handler = (c: Context<Env>) => Promise<Response>

export const healthz =
  (controller: Controller): Handler =>
  async (c) =>
    answer(controller, probe(c, '/healthz'), 200, { ok: true, region: controller.region.code })

/** Ready is: the database answers, the accounts are known, a host has been heard of lately, and no end has been announced. */
export const readyz =
  (controller: Controller): Handler =>
  async (c) => {
    const database = await controller.database.pool.query('select 1').then(
      () => true,
      () => false,
    )
    const accounts = database && (await knowsAccounts(controller).catch(() => false))
    const facts = { database, accounts, hosts: controller.ledger.offers().length, draining: controller.isDraining() }
    const ready = facts.accounts && facts.hosts > 0 && !facts.draining
    return answer(controller, probe(c, '/readyz'), ready ? 200 : 503, { ready, ...facts })
  }

/** Behind the tokens of those who run the service, because it tells how busy the region is. */
export function capacity(controller: Controller, credentials: Credentials): Handler {
  let seq = 0
  return async (c) => {
    const arrival = probe(c, '/v1/capacity')
    try {
      requireOurs(credentials, arrival)
      seq += 1
      const { region, ledger, clock, isDraining } = controller
      const facts = { region: region.code, ts: clock(), seq, draining: isDraining(), load: ledger.load() }
      return answer(controller, arrival, 200, regionCapacity(ledger.offers(), facts))
    } catch (thrown) {
      return answerError(controller, arrival, thrown)
    }
  }
}

/** For Prometheus. Behind the token that our own machines say, because it tells how busy the region is. */
export const metrics =
  (controller: Controller, credentials: Credentials): Handler =>
  async (c) => {
    const arrival = probe(c, '/metrics')
    try {
      requireInternal(credentials, arrival)
      const { registry } = controller.metrics
      return new Response(await registry.metrics(), {
        headers: { 'content-type': registry.contentType, ...answerHeaders(controller, arrival) },
      })
    } catch (thrown) {
      return answerError(controller, arrival, thrown)
    }
  }

/** Before a browser sends a key to another origin; no key is asked for. */
export const preflight =
  (controller: Controller): Handler =>
  async (c) => {
    const asked = c.req.header('access-control-request-headers') ?? null
    const headers = { ...answerHeaders(controller, arrive(c.env.incoming)), ...preflightHeaders(asked) }
    return new Response(null, { status: 204, headers })
  }

/** A request to one of the routes above, which have no contract. */
function probe(c: Context<Env>, route: string): Arrival {
  const arrival = arrive(c.env.incoming)
  arrival.route = route
  return arrival
}

export const routeNotFound =
  (controller: Controller): Handler =>
  async (c) =>
    answerError(controller, arrive(c.env.incoming), new AppError('route_not_found', 'There is no such route.'))

export const methodNotAllowed =
  (controller: Controller, allowed: string[]): Handler =>
  async (c) => {
    const arrival = arrive(c.env.incoming)
    const refused = answerError(
      controller,
      arrival,
      new AppError('method_not_allowed', `This route takes ${allowed.join(', ')}.`),
    )
    refused.headers.set('allow', allowed.join(', '))
    return refused
  }

const answer = (controller: Controller, arrival: Arrival, status: number, value: unknown): Response =>
  new Response(JSON.stringify(value), {
    status,
    headers: { 'content-type': 'application/json', ...answerHeaders(controller, arrival) },
  })
