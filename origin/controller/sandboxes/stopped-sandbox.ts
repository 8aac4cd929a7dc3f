/** A sandbox whose compute its host stopped, or replaced, while a command ran: the row follows, and whoever waits for the command hears it. */
import { AppError } from '../../../shared/errors.ts'
import type { Controller } from '../controller.ts'
import type { CalledRow } from '../database/schema/sandboxes.ts'
import type { Trouble } from '../hosts/outcome.ts'
import { describeError } from '../log.ts'
import { loseSandbox } from './lose-sandbox.ts'
import { moveSandbox } from './move-sandbox.ts'

/** What the caller should hear when the trouble is that the sandbox was paused, replaced, or its time was over; undefined for any other. */
export async function followStop(
  controller: Controller,
  row: CalledRow,
  trouble: Trouble,
): Promise<AppError | undefined> {
  if (trouble.kind !== 'failed') return undefined
  switch (trouble.error.code) {
    case 'sandbox_paused':
      return followPause(controller, row)
    case 'sandbox_expired':
      return loseSandbox(controller, row, trouble)
    // It goes on with the memory of another moment, in which the command never was.
    case 'sandbox_replaced':
      return trouble.error
    default:
      return undefined
  }
}

/** A row that changed since may be of a sandbox that was woken again, and is left alone. One that cannot be written is mended by the reconciler. */
async function followPause(controller: Controller, { id, revision }: CalledRow): Promise<AppError> {
  await moveSandbox(controller.database.db, id, 'pause', { revision }).catch((err: unknown) =>
    controller.log('warn', 'sandbox.pause_not_written', { sandbox: id, error: describeError(err) }),
  )
  return new AppError('sandbox_paused', 'The sandbox was paused while its command ran.', {
    details: { sandbox_id: id },
  })
}
