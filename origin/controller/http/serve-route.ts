/** From a route contract and a handler, the handler that Hono wants: prove who asks, check what is asked, answer or explain. */
import type { HttpBindings } from '@hono/node-server'
import type { Context } from 'hono'
import type * as z from 'zod'
import { requireScope } from '../../../shared/accounts.ts'
import type { Route } from '../../../shared/contracts/route.ts'
import type { EdgeClaims } from '../../../shared/edge-token.ts'
import { requireBodyOf } from '../accounts/edge-tokens.ts'
import type { Principal } from '../accounts/principal.ts'
import type { Controller } from '../controller.ts'
import { answerError } from './answer-error.ts'
import { type Arrival, answerHeaders, arrive, header } from './arrival.ts'
import { authenticate, type Credentials } from './authenticate.ts'
import { checkFields, checkQuery, parseJsonObject, readBody } from './read-body.ts'

export type Env = { Bindings: HttpBindings }

export type Call<R extends Route> = {
  controller: Controller
  arrival: Arrival
  principal: Principal
  /** What the path names, or an empty string on a path that names nothing. */
  reference: string
  body: R['body'] extends z.ZodType ? z.infer<R['body']> : undefined
  query: R['query'] extends z.ZodType ? z.infer<R['query']> : undefined
  rawBody: Uint8Array
  idempotencyKey: string | undefined
  /** Aborted when whoever asked hangs up before the answer has gone out whole, and never after that. */
  caller: AbortSignal
}

/** `text` is JSON, already serialised; null is an empty body. */
export type Outcome = { status?: number; text: string | null; headers?: Record<string, string> }

const NO_BODY = new Uint8Array(0)

export function serveRoute<R extends Route>(
  controller: Controller,
  credentials: Credentials,
  route: R,
  handler: (call: Call<R>) => Promise<Outcome>,
): (c: Context<Env>) => Promise<Response> {
  return async (c) => {
    const arrival = arrive(c.env.incoming)
    try {
      const { principal, claims } = await arrival.timing.measure('auth', authenticate(credentials, arrival))
      requireScope(principal, route.scope)
      const rawBody = route.body === undefined ? NO_BODY : await readBody(arrival.incoming)
      if (claims !== undefined && route.body !== undefined) requireBodyOf(claims, rawBody)
      const outcome = await handler({
        controller,
        arrival,
        principal,
        reference: c.req.param('id') ?? '',
        body: (route.body === undefined
          ? undefined
          : checkFields(route.body, parseJsonObject(rawBody))) as Call<R>['body'],
        query: (route.query === undefined ? undefined : checkQuery(route.query, c.req.query())) as Call<R>['query'],
        rawBody,
        idempotencyKey: idempotencyKeyOf(arrival, claims),
        caller: c.req.raw.signal,
      })
      return answer(controller, arrival, route, outcome)
    } catch (thrown) {
      return answerError(controller, arrival, thrown)
    }
  }
}

/** The caller's own, or the one that the edge made for a caller who sent none. */
const idempotencyKeyOf = (arrival: Arrival, claims: EdgeClaims | undefined): string | undefined =>
  header(arrival, 'idempotency-key') ?? claims?.idempotencyKey

function answer(controller: Controller, arrival: Arrival, route: Route, { status, text, headers }: Outcome): Response {
  return new Response(text, {
    status: status ?? route.status,
    headers: {
      ...(text === null ? {} : { 'content-type': 'application/json' }),
      ...answerHeaders(controller, arrival),
      ...headers,
    },
  })
}
