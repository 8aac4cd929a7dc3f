/** How a viewer's connection is ended, by what ended it. */
import type { AppError, ErrorCode } from '../../../shared/errors.ts'
import { TERMINAL_CLOSE } from '../../../shared/terminal-frames.ts'

const CODES: Partial<Record<ErrorCode, number>> = {
  sandbox_paused: TERMINAL_CLOSE.paused,
  sandbox_expired: TERMINAL_CLOSE.gone,
  sandbox_lost: TERMINAL_CLOSE.gone,
  sandbox_not_found: TERMINAL_CLOSE.gone,
  sandbox_not_running: TERMINAL_CLOSE.gone,
  revoked_token: TERMINAL_CLOSE.refused,
  invalid_token: TERMINAL_CLOSE.refused,
  tenant_suspended: TERMINAL_CLOSE.refused,
}

/** RFC 6455, 5.5: a control frame has at most 125 bytes, two of them the code. */
const REASON_BYTES_MAX = 123

/** Whatever is not known to be for good is worth another try. */
export const closeCodeOf = ({ code }: AppError): number => CODES[code] ?? TERMINAL_CLOSE.restart

/** The messages of the error table are ASCII, but what is quoted in one may be anything. */
export function closeReason(message: string): string {
  const bytes = Buffer.from(message)
  return bytes
    .subarray(0, REASON_BYTES_MAX)
    .toString()
    .replace(/\uFFFD+$/, '')
}
