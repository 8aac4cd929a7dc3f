/** The daemon's unix socket. */
import { chmodSync, rmSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { dirname } from 'node:path'
import { getRequestListener } from '@hono/node-server'
import { LIMITS } from '../../shared/limits.ts'

/**
 * A socket file left by a daemon that was killed is replaced; the lock on the state directory makes sure that none of the
 * living is. Only this daemon's own user may connect.
 */
export async function listen(fetch: Parameters<typeof getRequestListener>[0], path: string): Promise<Server> {
  await mkdir(dirname(path), { recursive: true })
  rmSync(path, { force: true })
  // Commands may run for an hour, and the controller that waits for them is trusted to keep its own time.
  const server = createServer(
    { requestTimeout: 0, keepAliveTimeout: LIMITS.hostKeepAliveMs },
    getRequestListener(fetch),
  )
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(path, resolve))
  chmodSync(path, 0o600)
  return server
}
