/** What a caller hears whose request may have been executed, and how to find out. */
import { AppError } from '../../shared/errors.ts'
import type { Region } from '../../shared/regions.ts'
import type { Visit } from '../requests/visit.ts'
import type { Sent } from './send-once.ts'

export function unknownOutcome(visit: Visit, region: Region, { idempotencyKey: given, cause }: Sent): AppError {
  const idempotencyKey = visit.call.isOnce ? given : null
  const retry =
    idempotencyKey === null ? '' : ` To find out, repeat it with the key in details and X-Region: ${region.code}.`
  return new AppError(
    'outcome_unknown',
    `The region ${region.name} (${region.code}) gave no answer, so the request may have been executed.${retry}`,
    {
      details: { region: region.code, ...(idempotencyKey === null ? {} : { idempotency_key: idempotencyKey }) },
      detail: `${visit.request.method} ${visit.call.path}`,
      cause,
    },
  )
}
