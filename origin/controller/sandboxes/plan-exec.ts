/** A command as the host takes it, from a command as callers give it. Pure. */

import type { HostExec } from '../../../shared/contracts/host.ts'
import type { ExecBody } from '../../../shared/contracts/sandbox-bodies.ts'
import { LIMITS } from '../../../shared/limits.ts'

type Command = Pick<ExecBody, 'command' | 'cmd' | 'args' | 'cwd' | 'env' | 'user' | 'stdin' | 'timeout'>

/** `workdir` is where it runs unless it says otherwise. */
export function planExec(body: Command, workdir: string): HostExec {
  return {
    argv: body.cmd === undefined ? ['/bin/bash', '-c', body.command ?? ''] : [body.cmd, ...(body.args ?? [])],
    cwd: body.cwd ?? workdir,
    env: body.env ?? {},
    user: body.user ?? 'sandbox',
    ...(body.stdin === undefined ? {} : { stdin: body.stdin }),
    timeout_ms: Math.ceil((body.timeout ?? LIMITS.execTimeoutSecDefault) * 1_000),
    output_bytes_max: LIMITS.execOutputBytesMax,
  }
}
