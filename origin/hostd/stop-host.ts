/**
 * The two ways to end a daemon.
 *
 *   SIGTERM   a restart or an update: sandboxes stay and the next daemon adopts them; the pool goes, for nobody owns it
 *   SIGINT    Ctrl-C on a developer's machine: everything goes
 */
import type { Server } from 'node:http'
import { AppError } from '../../shared/errors.ts'
import { LIMITS } from '../../shared/limits.ts'
import type { Host } from './host.ts'
import { describe } from './log.ts'

export type Ending = 'keep-sandboxes' | 'end-sandboxes'

/** Call it once `host.draining` is aborted, so that nothing new begins. */
export async function stopHost(host: Host, servers: Server[], ending: Ending): Promise<void> {
  const answered = servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve())))
  const ended = ending === 'end-sandboxes' ? host.registry.all().map((vm) => host.registry.end(vm, stopped())) : []
  const endings = await Promise.allSettled([
    host.pool.close(),
    host.site.shells?.close(),
    host.templates.close(),
    host.gate.idle(),
    ...ended,
  ])
  // One that cannot be freed is no reason to leave the others running.
  for (const ending of endings) if (ending.status === 'rejected') host.log('cleanup-failed', describe(ending.reason))
  // Commands that still run lose their listener, not their machine.
  const patience = setTimeout(() => servers.map((server) => server.closeAllConnections()), LIMITS.drainMs)
  await Promise.all(answered)
  clearTimeout(patience)
}

const stopped = (): AppError => new AppError('sandbox_lost', 'The host was stopped.')
