/** Errors as Podflare's clients read them: a status of theirs and one text. */
import type { AppError, ErrorCode } from '../../../../shared/errors.ts'
import { answerError, toCallersError } from '../../http/answer-error.ts'

type Told = { status: number; text: (error: AppError) => string }

const message = (error: AppError): string => error.message
const BAD_REQUEST: Told = { status: 400, text: message }
const NO_KEY: Told = { status: 401, text: () => 'invalid api key' }

/** What is not in here keeps its own status. */
const TOLD: Partial<Record<ErrorCode, Told>> = {
  invalid_request: BAD_REQUEST,
  template_not_found: BAD_REQUEST,
  not_supported: BAD_REQUEST,
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

export const answerPodflareError: typeof answerError = (controller, arrival, thrown) => {
  const { status, headers } = answerError(controller, arrival, thrown)
  const error = toCallersError(thrown)
  const told = TOLD[error.code] ?? { status, text: message }
  return new Response(JSON.stringify({ error: told.text(error) }), { status: told.status, headers })
}
