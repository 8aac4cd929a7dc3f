/** Runs a command over a session and gathers its frames. */

import type { GuestSession } from '../../../origin/hostd/guest/session.ts'
import { type ExecExit, execExit, type GuestExec } from '../../../shared/contracts/guest.ts'
import { FRAME, frameJson } from '../../../shared/frames.ts'

export type Outcome = ExecExit & { stdout: string; stderr: string }

const DEFAULTS = {
  cwd: '/workspace',
  env: {},
  user: 'sandbox',
  timeout_ms: 120_000,
  output_bytes_max: 1024 * 1024,
} as const satisfies Omit<GuestExec, 'argv'>

export const orderOf = (command: string | string[], more: Partial<GuestExec> = {}): GuestExec => ({
  ...DEFAULTS,
  argv: typeof command === 'string' ? ['/bin/bash', '-c', command] : command,
  ...more,
})

/** A string is a shell line, a list a program and its arguments. */
export async function run(
  session: GuestSession,
  command: string | string[],
  more: Partial<GuestExec> = {},
  signal?: AbortSignal,
): Promise<Outcome> {
  const chunks: Record<number, Uint8Array[]> = { [FRAME.stdout]: [], [FRAME.stderr]: [] }
  const text = (type: number): string => Buffer.concat(chunks[type] ?? []).toString()
  for await (const frame of session.exec(orderOf(command, more), signal === undefined ? {} : { signal })) {
    chunks[frame.type]?.push(frame.payload)
    if (frame.type === FRAME.exited)
      return { ...execExit.parse(frameJson(frame)), stdout: text(FRAME.stdout), stderr: text(FRAME.stderr) }
  }
  throw new Error('The command has no end.')
}
