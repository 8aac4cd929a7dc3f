/** The code that an exec carries in place of a command. */
import type { ExecBody } from '../../../shared/contracts/sandbox-bodies.ts'
import type { CodeCall } from './run-code.ts'

export function codeOfExec({ code, language, context_id, env, cwd, timeout }: ExecBody): CodeCall | undefined {
  return code === undefined ? undefined : { code, language: language ?? 'python', context_id, env, cwd, timeout }
}
