/** Ends the machine of a sandbox whose row has ended. If the host does not answer, the reconciler comes back to it. */
import type { Controller } from '../controller.ts'
import { releaseRoom } from './move-sandbox.ts'

/** The row stands first, so that nothing can take the intent back; the room is given back only when the host has confirmed. */
export async function clearHost(
  controller: Controller,
  sandbox: { id: string; host: string },
): Promise<'cleared' | 'later'> {
  const answer = await controller.hosts.get(sandbox.host)?.destroy(sandbox.id)
  if (answer?.kind !== 'done') {
    controller.log('warn', 'sandbox.clear_later', {
      sandbox: sandbox.id,
      host: sandbox.host,
      why: answer?.error.message,
    })
    return 'later'
  }
  await releaseRoom(controller.database.db, sandbox.id)
  return 'cleared'
}
