/** What the host says of one child of a fork, written into its row. */
import type { VmSpec } from '../../../shared/contracts/host.ts'
import type { ForkAnswer } from '../../../shared/contracts/host-snapshots.ts'
import { AppError } from '../../../shared/errors.ts'
import type { Controller } from '../controller.ts'
import type { SandboxRow } from '../database/schema/sandboxes.ts'
import { spoken } from '../hosts/outcome.ts'
import { clearHost } from '../sandboxes/clear-host.ts'
import { readSandbox } from '../sandboxes/find-sandbox.ts'
import { moveSandbox } from '../sandboxes/move-sandbox.ts'

/** `trouble` is why it does not run. */
export type SettledChild = { row: SandboxRow | undefined; trouble: AppError | undefined }

export async function settleChild(
  controller: Controller,
  host: string,
  { id }: Pick<VmSpec, 'id'>,
  said: ForkAnswer['children'][number] | undefined,
): Promise<SettledChild> {
  const { db } = controller.database
  if (said?.kind === 'made') {
    // Later than asked for by what its start took, so that it has all of its time.
    const { boot_path: bootPath, boot_ms, expires_at_ms: expiresAtMs } = said.vm
    const expiresAt = expiresAtMs === null ? null : new Date(expiresAtMs)
    const row = await moveSandbox(db, id, 'ready', { bootPath, bootMs: Math.round(boot_ms), expiresAt })
    if (row !== undefined) return { row, trouble: undefined }
    // Somebody destroyed it while it was being made. It must not live on the host without a row.
    await clearHost(controller, { id, host })
    const trouble = new AppError('sandbox_not_running', 'The sandbox was destroyed while it was being made.')
    return { row: await readSandbox(db, id), trouble }
  }
  const trouble = spoken(said ?? { code: 'internal', message: 'The host said nothing of it.' })
  const row = await moveSandbox(db, id, 'fail', { lastError: trouble.message })
  await clearHost(controller, { id, host })
  return { row: row ?? (await readSandbox(db, id)), trouble }
}
