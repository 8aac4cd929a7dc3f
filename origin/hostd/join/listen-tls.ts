/** The daemon's door for controllers on other machines: TLS under its own certificate, and shut to whoever does not say the secret. */
import { createHash, timingSafeEqual } from 'node:crypto'
import { createServer, type Server } from 'node:https'
import { getRequestListener } from '@hono/node-server'
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { answerError } from '../http/answer-error.ts'
import type { Log } from '../log.ts'
import type { Identity } from './identity.ts'

export type Fetch = Parameters<typeof getRequestListener>[0]
export type Listening = { server: Server; port: number }

export async function listenTls(
  fetch: Fetch,
  address: { host: string; port: number },
  identity: Identity,
  log: Log,
): Promise<Listening> {
  const options = {
    key: identity.key,
    cert: identity.certificate,
    minVersion: 'TLSv1.3' as const,
    handshakeTimeout: LIMITS.tlsHandshakeMs,
    // Commands may run for an hour. A controller that vanished is noticed by the connection itself.
    requestTimeout: 0,
    keepAlive: true,
    keepAliveInitialDelay: LIMITS.hostSilenceMs,
    keepAliveTimeout: LIMITS.hostKeepAliveMs,
  }
  const server = createServer(options, getRequestListener(guard(fetch, identity.secret, log)))
  server.maxConnections = LIMITS.hostdConnectionsMax
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(address.port, address.host, resolve))
  const bound = server.address()
  return { server, port: typeof bound === 'object' && bound !== null ? bound.port : address.port }
}

/** Compared by digest, so that time tells nothing. The body of a stranger is not read. */
function guard(fetch: Fetch, secret: string, log: Log): Fetch {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
  const wanted = digest(`Bearer ${secret}`)
  return (request, environment) => {
    if (timingSafeEqual(digest(request.headers.get('authorization') ?? ''), wanted)) return fetch(request, environment)
    const refused = answerError(new AppError('invalid_token', 'This host knows its controllers by a secret.'), log)
    refused.headers.set('connection', 'close')
    return refused
  }
}
