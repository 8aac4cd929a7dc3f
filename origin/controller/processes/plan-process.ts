/** A process as the agent takes it, from one as callers give it. Pure. */
import { createHash } from 'node:crypto'
import type { GuestProcessStart } from '../../../shared/contracts/guest-processes.ts'
import type { ExecBody, ProcessBody } from '../../../shared/contracts/sandbox-bodies.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { commandText } from '../commands/command-text.ts'
import { planExec } from '../sandboxes/plan-exec.ts'

type Once = { key: string; fingerprint: string }

/** A process in the background, to whose stdin more may be written. */
export const planProcess = (body: ProcessBody, workdir: string, once: Once | undefined): GuestProcessStart => ({
  ...planned(body, workdir, body.timeout ?? 0),
  stdin_open: true,
  name: body.name ?? '',
  ...(once === undefined
    ? {}
    : { key: createHash('sha256').update(once.key).digest('base64url'), fingerprint: once.fingerprint }),
})

/** A command that nobody waits for. */
export const planDetached = (body: ExecBody, workdir: string): GuestProcessStart =>
  planned(body, workdir, body.timeout ?? 0)

/** A command whose caller hears it as it runs: nothing but its own timeout need end it soon. */
export const planStreamed = (body: ExecBody, workdir: string): GuestProcessStart =>
  planned(body, workdir, body.timeout ?? LIMITS.execTimeoutSecMax)

function planned(body: Omit<ProcessBody, 'name'>, workdir: string, timeoutSec: number): GuestProcessStart {
  const { output_bytes_max: _, timeout_ms: __, ...exec } = planExec(body, workdir)
  return {
    ...exec,
    stdin_open: false,
    timeout_ms: Math.ceil(timeoutSec * 1_000),
    name: '',
    shown: commandText(body),
  }
}
