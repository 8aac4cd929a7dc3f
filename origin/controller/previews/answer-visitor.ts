/** What a visitor hears from the region in place of the sandbox: a page for people, JSON for programs, and the edge's mark on either. */
import { type AppError, errorHeaders } from '../../../shared/errors.ts'
import { PAGE_POLICY, previewError } from '../../../shared/preview-page.ts'
import { REFUSED_HEADER } from '../../../shared/preview-words.ts'
import { toCallersError } from '../http/answer-error.ts'
import { type Arrival, header } from '../http/arrival.ts'

export type Refusal = { status: number; headers: Record<string, string>; body: string }

export function refuseVisitor(arrival: Arrival, thrown: unknown): Refusal {
  const error: AppError = toCallersError(thrown)
  arrival.failure = error
  const { body, contentType } = previewError(error, arrival.requestId, header(arrival, 'accept') ?? null)
  return {
    status: error.status,
    body,
    headers: {
      'content-type': contentType,
      'content-security-policy': PAGE_POLICY,
      'cache-control': 'no-store',
      'x-origin': '1',
      [REFUSED_HEADER]: '1',
      ...errorHeaders(error),
    },
  }
}
