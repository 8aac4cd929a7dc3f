/** Runs one of our own commands in a guest to its end; what a sandbox's owner runs is streamed elsewhere. */
import { execExit, type GuestExec } from '../../shared/contracts/guest.ts'
import { AppError } from '../../shared/errors.ts'
import { FRAME, frameJson } from '../../shared/frames.ts'
import type { GuestSession } from './guest/session.ts'

/** Throws AppError('boot_failed') when the command fails: a machine in which it does is not worth keeping. */
export async function runToEnd(session: GuestSession, exec: GuestExec, signal: AbortSignal): Promise<void> {
  for await (const frame of session.exec(exec, { signal })) {
    if (frame.type !== FRAME.exited) continue
    const { exit_code } = execExit.parse(frameJson(frame))
    if (exit_code === 0) return
    throw failed(`"${exec.argv.join(' ')}" exited with ${exit_code}`)
  }
  throw failed(`"${exec.argv.join(' ')}" did not say how it ended`)
}

const failed = (detail: string): AppError =>
  new AppError('boot_failed', 'A new machine did not run its first commands.', { detail })
