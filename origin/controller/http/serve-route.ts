/** From a route contract and a handler, the handler that Hono wants: prove who asks, check what is asked, answer or explain. */
import type { ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'
import type { HttpBindings } from '@hono/node-server'
import type { Context } from 'hono'
import type * as z from 'zod'
import { requireScope } from '../../../shared/accounts.ts'
import type { Route } from '../../../shared/contracts/route.ts'
import type { EdgeClaims } from '../../../shared/edge-token.ts'
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { requireBodyOf } from '../accounts/edge-tokens.ts'
import type { Principal } from '../accounts/principal.ts'
import type { Controller } from '../controller.ts'
import { answerError } from './answer-error.ts'
import { type Arrival, answerHeaders, arrive, header } from './arrival.ts'
import { checkFields, checkQuery, parseJsonObject, readBody } from './read-body.ts'
import { sendBytes } from './send-bytes.ts'
import { takeUpload } from './take-upload.ts'

export type Env = { Bindings: HttpBindings }

/** `Who` is the principal, or what else the route's door has proven of its caller. */
export type Call<R extends Route, Who = Principal> = {
  controller: Controller
  arrival: Arrival
  principal: Who
  /** What the path names as `:id`, or an empty string on a path that names nothing. */
  reference: string
  /** Everything that the path names. */
  params: Record<string, string>
  /** The path as it was sent, with its escapes, but for the steps up and down that it goes through. */
  pathname: string
  /** Where the caller has found the API: the beginning of every address that is given to them. */
  origin: string
  body: R['body'] extends z.ZodType ? z.infer<R['body']> : undefined
  query: R['query'] extends z.ZodType ? z.infer<R['query']> : undefined
  rawBody: Uint8Array
  /** Of a route that takes one: the body while it comes. It fails when it breaks off. */
  upload: R['upload'] extends true ? Readable : undefined
  idempotencyKey: string | undefined
  /** Aborted when whoever asked hangs up before the answer has gone out whole, and never after that. */
  caller: AbortSignal
}

/** `text` is JSON, already serialised, unless the headers say otherwise; null is an empty body. */
export type Outcome = {
  status?: number
  text?: string | null
  stream?: ReadableStream<Uint8Array>
  /** The same for many bytes. Its headers say how many, if that is known; one that breaks off, or has another number, is cut. */
  bytes?: Readable
  headers?: Record<string, string>
}

/** Proves who asks, and that they may; throws what they should hear when not. */
export type Door<Who> = (
  arrival: Arrival,
  route: Route,
) => Promise<{ who: Who; claims: EdgeClaims | undefined; bodyBytesMax?: number }>

/** Puts a route, and what answers it, behind a door. */
export type Serve<Who> = <R extends Route>(route: R, handler: (call: Call<R, Who>) => Promise<Outcome>) => void

const BYTES_PER_MIB = 1024 * 1024
const NO_BODY = new Uint8Array(0)

export function serveRoute<R extends Route, Who>(
  controller: Controller,
  door: Door<Who>,
  route: R,
  handler: (call: Call<R, Who>) => Promise<Outcome>,
): (c: Context<Env>) => Promise<Response> {
  const handle = async (c: Context<Env>, arrival: Arrival): Promise<Response> => {
    try {
      const { who, claims, bodyBytesMax } = await arrival.timing.measure('auth', door(arrival, route))
      requireHome(controller, route)
      const upload = route.upload === true ? takeUpload(arrival) : undefined
      const rawBody = route.body === undefined ? NO_BODY : await readBody(arrival.incoming, bodyBytesMax)
      arrival.bytesIn += rawBody.length
      if (claims !== undefined && route.body !== undefined) requireBodyOf(claims, rawBody)
      const outcome = await handler({
        controller,
        arrival,
        principal: who,
        reference: c.req.param('id') ?? '',
        params: c.req.param(),
        // Few routes ask for these, and each takes a URL apart.
        get pathname() {
          return new URL(c.req.url).pathname
        },
        get origin() {
          return originOf(controller, arrival, claims)
        },
        body: (route.body === undefined
          ? undefined
          : checkFields(route.body, parseJsonObject(rawBody))) as Call<R>['body'],
        query: (route.query === undefined ? undefined : checkQuery(route.query, c.req.queries())) as Call<R>['query'],
        rawBody,
        upload: upload as Call<R>['upload'],
        idempotencyKey: idempotencyKeyOf(arrival, claims),
        caller: c.req.raw.signal,
      })
      if (mayTell(route)) controller.events.written()
      return answer(controller, arrival, route, outcome, c.env.outgoing as ServerResponse)
    } catch (thrown) {
      return answerError(controller, arrival, thrown)
    }
  }
  return async (c) => {
    const arrival = arrive(c.env.incoming)
    arrival.route = route.path
    arrival.handling = handle(c, arrival)
    const response = await arrival.handling
    arrival.answerMs = arrival.timing.elapsedMs()
    return response
  }
}

/** Whatever changes something may have written an event. Inside a sandbox nothing does: its commands, and its waking, are told of by others. */
const mayTell = ({ method, scope }: Route): boolean => method !== 'GET' && scope !== 'sandboxes:exec'

/** The edge says where it is; a region that was asked itself is where its registry says, or where it was found. */
function originOf({ regions, region }: Controller, arrival: Arrival, claims: EdgeClaims | undefined): string {
  const own = regions.find(({ code }) => code === region.code)?.url
  return claims?.origin ?? (own ? new URL(own).origin : `http://${header(arrival, 'host') ?? 'localhost'}`)
}

/** Accounts are read from this region's copy and written at home. */
function requireHome({ accounts, region }: Controller, route: Route): void {
  if (route.class !== 'home' || route.method === 'GET' || accounts.homeUrl === undefined) return
  throw new AppError('not_home_region', `Accounts are not written in the region ${region.code}.`, {
    details: { home: accounts.homeUrl },
  })
}

/** The door of everything that a tenant asks: a key, or the edge's word on one, that has the scope of the route. */
export const tenantDoor =
  (
    authenticate: (arrival: Arrival, route: Route) => Promise<{ principal: Principal; claims: EdgeClaims | undefined }>,
  ): Door<Principal> =>
  async (arrival, route) => {
    const { principal, claims } = await authenticate(arrival, route)
    arrival.caller = { tenant: principal.tenant, key: principal.key }
    requireScope(principal, route.scope)
    return { who: principal, claims, bodyBytesMax: bodyBytesMaxOf(principal) }
  }

/** A body of ours is read whole before it is understood, so no tier may send more than fits; the tier or the key may allow less. */
const bodyBytesMaxOf = ({ limits }: Principal): number =>
  Math.min(LIMITS.bodyBytesMax, limits.maxBodyMib * BYTES_PER_MIB)

/** The caller's own, or the one that the edge made for a caller who sent none. */
const idempotencyKeyOf = (arrival: Arrival, claims: EdgeClaims | undefined): string | undefined =>
  header(arrival, 'idempotency-key') ?? claims?.idempotencyKey

function answer(
  controller: Controller,
  arrival: Arrival,
  route: Route,
  outcome: Outcome,
  outgoing: ServerResponse,
): Response {
  const body = outcome.stream ?? outcome.text ?? null
  const status = outcome.status ?? route.status
  const isStreamed = outcome.stream !== undefined || outcome.bytes !== undefined
  if (outcome.headers?.['idempotent-replayed'] !== undefined) controller.metrics.replays.inc()
  const headers = {
    ...(body === null && !isStreamed ? {} : { 'content-type': isStreamed ? streamType(route) : 'application/json' }),
    ...(isStreamed ? { 'cache-control': 'no-store', 'x-accel-buffering': 'no' } : {}),
    ...answerHeaders(controller, arrival),
    ...outcome.headers,
  }
  if (outcome.bytes !== undefined) return sendBytes(outgoing, status, headers, outcome.bytes)
  return new Response(body, { status, headers })
}

const streamType = (route: Route): string => route.stream ?? 'application/octet-stream'

export const json = (value: unknown, status?: number): Outcome => ({
  text: JSON.stringify(value),
  ...(status === undefined ? {} : { status }),
})
