/** A process as callers are told of it. */
import type { GuestProcess } from '../../../shared/contracts/guest-processes.ts'
import type { ProcessRecord } from '../../../shared/contracts/processes.ts'

export function toProcessRecord(told: GuestProcess): ProcessRecord {
  const { id, name, shown, cwd, user, started_at_ms, stdin_open, end } = told
  const status = end === null ? 'running' : 'exited'
  return {
    pid: id,
    name: name === '' ? null : name,
    command: shown,
    cwd,
    user,
    status,
    state: status,
    stdin_open,
    started_at: at(started_at_ms),
    ...(end === null
      ? {}
      : {
          ended_at: at(end.ended_at_ms),
          exit_code: end.exit_code,
          reason: end.reason,
          duration_ms: end.duration_ms,
        }),
  }
}

const at = (ms: number): string => new Date(ms).toISOString()
