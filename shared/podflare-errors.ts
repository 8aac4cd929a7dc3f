/** Errors as Podflare's clients read them: a status of theirs and one text. The edge and every region say them alike. */
import type { AppError, ErrorCode } from './errors.ts'

type Told = { status: number; text: (error: AppError) => string }

const message = (error: AppError): string => error.message
const BAD_REQUEST: Told = { status: 400, text: message }
const NO_KEY: Told = { status: 401, text: () => 'invalid api key' }

/** What is not in here keeps its own status. */
const TOLD: Partial<Record<ErrorCode, Told>> = {
  invalid_request: BAD_REQUEST,
  template_not_found: BAD_REQUEST,
  not_supported: BAD_REQUEST,
  merge_not_possible: BAD_REQUEST,
  missing_token: NO_KEY,
  invalid_token: NO_KEY,
  revoked_token: NO_KEY,
  sandbox_not_found: { status: 404, text: () => 'sandbox not found' },
  concurrency_limit: {
    status: 429,
    text: ({ details }) => `concurrent sandbox limit reached (${details?.limit ?? '?'})`,
  },
  capacity_exhausted: { status: 503, text: () => 'no capacity' },
}

const PATH = /^(\/r\/[^/]+)?(\/api)?\/podflare([/?]|$)/

export const isPodflarePath = (pathAndQuery: string): boolean => PATH.test(pathAndQuery)

/** Undefined for a path that is not of this door. */
export function podflareError(
  pathAndQuery: string,
  error: AppError,
): { status: number; body: { error: string } } | undefined {
  if (!isPodflarePath(pathAndQuery)) return undefined
  const { status, text } = TOLD[error.code] ?? { status: error.status, text: message }
  return { status, body: { error: text(error) } }
}
