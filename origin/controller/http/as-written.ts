/** Answers that a route wrote by its own hand, as the server has to hear of them. */
import type { getRequestListener, HttpBindings } from '@hono/node-server'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'

type Fetch = Parameters<typeof getRequestListener>[0]

/** Hono makes another response of what a route answers to HEAD, which the server would then send behind the one that was written. */
export const asWritten =
  (fetch: Fetch): Fetch =>
  async (request, env) => {
    const response = await fetch(request, env)
    return (env as HttpBindings).outgoing.headersSent ? RESPONSE_ALREADY_SENT : response
  }
