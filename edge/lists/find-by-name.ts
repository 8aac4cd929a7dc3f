/** A name does not say where its sandbox lives, so the regions are asked in turn until one knows it. */
import { toAppError } from '../../shared/errors.ts'
import type { Region } from '../../shared/regions.ts'
import { type Forwarded, forwardRequest } from '../forward/forward-request.ts'
import type { Visit } from '../requests/visit.ts'

const NOT_FOUND = 404

/**
 * A region that has it outweighs one that fails. "Not found" only when every region said so: throws region_unavailable when
 * one that might know did not answer.
 */
export async function findByName(visit: Visit, regions: readonly Region[]): Promise<Forwarded> {
  const asked = await Promise.all(regions.map((region) => ask(visit, region)))
  const found = asked.find((part) => !('error' in part) && part.response.ok)
  const failed = asked.find((part) => 'error' in part || part.response.status !== NOT_FOUND)
  const chosen = found ?? failed ?? asked[0]
  if (chosen === undefined) throw new RangeError('There is no region to ask.')
  await Promise.all(asked.map((part) => (part === chosen || 'error' in part ? null : part.response.body?.cancel())))
  if ('error' in chosen) throw chosen.error
  return chosen
}

const ask = (visit: Visit, region: Region): Promise<Forwarded | { error: Error }> =>
  forwardRequest(visit, { regions: [region], by: 'wish' }).catch((error: unknown) => ({ error: toAppError(error) }))
