/**
 * A route as data. Servers, the typed client, the OpenAPI document and the tests are all made from these, so none can drift.
 */
import type * as z from 'zod'
import type { Scope } from '../accounts.ts'

/**
 * How a request may be repeated, which is all the edge needs to know about it.
 * `create` may be made elsewhere if it was not executed; `create-run` also runs a command, so it is never repeated
 * once it may have begun; `read` and `change` go where their id says; `list` asks every region and joins the rows of `data`;
 * `sum` asks every region and adds up the numbers in `data`; `home` goes to the region that keeps the accounts; `open` needs no key.
 */
export type RouteClass = 'create' | 'create-run' | 'read' | 'change' | 'list' | 'sum' | 'home' | 'open'

export type Route<
  Body extends z.ZodType = z.ZodType,
  Query extends z.ZodType = z.ZodType,
  Answer extends z.ZodType = z.ZodType,
> = {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** In the syntax of Hono: `/v1/sandboxes/:id`, or `/files/:path{[^]+}` for all that is left, line breaks too. `/api/v1/...` is the same route. */
  path: string
  class: RouteClass
  scope: Scope | null
  summary: string
  /** Honours an Idempotency-Key: the same key with the same request has the same answer for a day, and does nothing twice. */
  once?: true
  body?: Body
  /** The body is bytes of any kind and any number, and passes through as it comes; such a route has no `body`. */
  upload?: true
  /** A link that was signed for the very request opens it without a key. */
  link?: true
  /** It switches to a WebSocket of this sub-protocol; asked in any other way it is refused. */
  socket?: string
  query?: Query
  /** The status of success, and its body; no `answer` is an empty body, or a stream when `stream` says of what. */
  status: number
  answer?: Answer
  /** By `Accept` the same is also told as it happens: as server-sent events, or as NDJSON with `seq` and `ts`. */
  forms?: true
  /** What the stream, or the other forms, tell: event by event, for readers of the document. */
  told?: string
  stream?: 'text/event-stream' | 'application/x-ndjson' | 'application/octet-stream'
}

/** Keeps the precise types of a route while checking its shape. */
export const route = <const R extends Route>(definition: R): R => definition
