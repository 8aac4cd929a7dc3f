/** A machine that its host no longer has, because it died or because its time was over: the row says so, and the caller hears it. */
import { AppError, type ErrorCode } from '../../../shared/errors.ts'
import type { Controller } from '../controller.ts'
import type { CalledRow } from '../database/schema/sandboxes.ts'
import type { Host } from '../hosts/client.ts'
import type { Trouble } from '../hosts/outcome.ts'
import { clearHost } from './clear-host.ts'
import { notFound, readSandbox } from './find-sandbox.ts'
import { moveSandbox } from './move-sandbox.ts'

const LOST: ReadonlySet<ErrorCode> = new Set(['sandbox_not_found', 'sandbox_lost', 'sandbox_expired'])

/** The host was asked about this machine and does not know it, or says that it ended. */
export const isLost = (trouble: Trouble): boolean => trouble.kind !== 'unknown' && LOST.has(trouble.error.code)

/** The row follows. What a caller should hear: also when it is the row that was ended, and the machine with it. */
export async function loseSandbox(controller: Controller, row: CalledRow, { error }: Trouble): Promise<AppError> {
  if (error.code === 'sandbox_expired') {
    await moveSandbox(controller.database.db, row.id, 'destroy')
    await clearHost(controller, row)
    return new AppError('sandbox_expired', 'The time of the sandbox was over.', { details: { sandbox_id: row.id } })
  }
  const failed = await moveSandbox(controller.database.db, row.id, 'fail', {
    lastError: 'The machine of this sandbox ended unexpectedly.',
  })
  if (failed === undefined && (await readSandbox(controller.database.db, row.id))?.state === 'destroyed')
    return notFound()
  await clearHost(controller, row)
  return new AppError('sandbox_lost', 'The sandbox ended unexpectedly.')
}

/** The host that this sandbox is on. Throws when this controller has no address for it. */
export function hostOf(controller: Controller, row: CalledRow): Host {
  const host = controller.hosts.get(row.host)
  if (host === undefined)
    throw new AppError('host_unavailable', 'The machine of this sandbox cannot be reached.', { detail: row.host })
  return host
}
