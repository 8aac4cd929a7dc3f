/** A terminal as callers are told of it. */

import { STREAM_TICKET } from '../../../shared/browser-token.ts'
import type { GuestTerminal } from '../../../shared/contracts/guest-terminals.ts'
import { TERMINAL_ROUTES, type TerminalRecord } from '../../../shared/contracts/terminals.ts'

export const toTerminalRecord = (terminal: GuestTerminal): TerminalRecord => ({
  session_id: terminal.id,
  cols: terminal.cols,
  rows: terminal.rows,
  shell: terminal.shell,
  state: terminal.exit_code === null ? 'running' : 'exited',
  exit_code: terminal.exit_code,
  viewers: terminal.viewers,
  cursor: terminal.shown_bytes,
  created_at: new Date(terminal.began_at_ms).toISOString(),
})

/** `origin` is where the caller has found us. */
export function socketUrl(origin: string, sandbox: string, terminal: string, ticket: string): string {
  const path = TERMINAL_ROUTES.connect.path.replace(':id', sandbox).replace(':session', terminal)
  const url = new URL(path, origin.replace(/^http/, 'ws'))
  url.searchParams.set(STREAM_TICKET.parameter, ticket)
  return url.href
}
