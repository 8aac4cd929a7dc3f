/**
 * Destroys a sandbox. The row is written first: from then on the intent is durable and the slot is free, whatever happens to this
 * process or to the host. A host that is away is cleared by the reconciler when it is back, and only then is its room free.
 */
import type { Controller } from '../controller.ts'
import type { SandboxRow } from '../database/schema/sandboxes.ts'
import { clearHost } from './clear-host.ts'
import { notFound } from './find-sandbox.ts'
import { moveSandbox } from './move-sandbox.ts'

export async function destroySandbox(controller: Controller, row: SandboxRow): Promise<void> {
  await controller.commands.settle(row.id)
  const destroyed = await moveSandbox(controller.database.db, row.id, 'destroy')
  if (destroyed === undefined) throw notFound()
  if (destroyed.releasedAt === null) await clearHost(controller, destroyed)
}
