/**
 * The three ways to end a daemon.
 *
 *   SIGTERM   a restart or an update: sandboxes stay and the next daemon adopts them; the pool goes, for nobody owns it
 *   SIGUSR2   the machine is about to go, or its user has had enough for today: sandboxes are paused on disk, and the next daemon
 *             has them there. A signal and no route: who may send it owns the machine, and no controller can empty a host by mistake
 *   SIGINT    nothing is to be left: every sandbox ends
 */
import type { Server } from 'node:http'
import { AppError } from '../../shared/errors.ts'
import { LIMITS } from '../../shared/limits.ts'
import type { Host } from './host.ts'
import { describe } from './log.ts'
import { evacuate } from './standby/evacuate.ts'

export type Ending = 'keep-sandboxes' | 'evacuate' | 'end-sandboxes'

/** Call it once `host.draining` is aborted, so that nothing new begins. */
export async function stopHost(host: Host, servers: Server[], ending: Ending): Promise<void> {
  host.egress.close()
  const answered = servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve())))
  const endings = await Promise.allSettled([
    host.pool.close(),
    host.site.shells?.close(),
    host.templates.close(),
    host.gate.idle(),
    ...leave(host, ending),
  ])
  // One that cannot be freed is no reason to leave the others running.
  for (const ending of endings) if (ending.status === 'rejected') host.log('cleanup-failed', describe(ending.reason))
  // Commands that still run lose their listener, not their machine.
  const patience = setTimeout(() => servers.map((server) => server.closeAllConnections()), LIMITS.drainMs)
  await Promise.all(answered)
  clearTimeout(patience)
}

function leave(host: Host, ending: Ending): Promise<void>[] {
  switch (ending) {
    case 'keep-sandboxes':
      return []
    case 'evacuate':
      return [evacuate(host)]
    case 'end-sandboxes':
      return host.registry.all().map((vm) => host.registry.end(vm, stopped()))
  }
}

const stopped = (): AppError => new AppError('sandbox_lost', 'The host was stopped.')
