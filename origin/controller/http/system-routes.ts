/** What machines ask of this process: whether it lives, whether it can serve, and how much room the region has. */
import type { Context } from 'hono'
import { AppError } from '../../../shared/errors.ts'
import type { Controller } from '../controller.ts'
import { regionCapacity } from '../placement/region-capacity.ts'
import { answerError } from './answer-error.ts'
import { type Arrival, answerHeaders, arrive } from './arrival.ts'
import { authenticateInternal, type Credentials } from './authenticate.ts'
import type { Env } from './serve-route.ts'

type Handler = (c: Context<Env>) => Promise<Response>

export const healthz =
  (controller: Controller): Handler =>
  async (c) =>
    answer(controller, arrive(c.env.incoming), 200, { ok: true, region: controller.region.code })

/** Ready is: the database answers, a host has been heard of lately, and no end has been announced. */
export const readyz =
  (controller: Controller): Handler =>
  async (c) => {
    const database = await controller.database.pool.query('select 1').then(
      () => true,
      () => false,
    )
    const facts = { database, hosts: controller.ledger.offers().length, draining: controller.isDraining() }
    const ready = facts.database && facts.hosts > 0 && !facts.draining
    return answer(controller, arrive(c.env.incoming), ready ? 200 : 503, { ready, ...facts })
  }

export function capacity(controller: Controller, credentials: Credentials): Handler {
  let seq = 0
  return async (c) => {
    const arrival = arrive(c.env.incoming)
    try {
      await authenticateInternal(credentials, arrival)
      seq += 1
      const { region, ledger, clock, isDraining } = controller
      const facts = { region: region.code, ts: clock(), seq, draining: isDraining(), load: ledger.load() }
      return answer(controller, arrival, 200, regionCapacity(ledger.offers(), facts))
    } catch (thrown) {
      return answerError(controller, arrival, thrown)
    }
  }
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
