/** A request that comes back to the edge (a region's address that points at the edge) would otherwise go round for ever. */
import { AppError } from '../../shared/errors.ts'
import { LIMITS } from '../../shared/limits.ts'

export const HOPS_HEADER = 'x-edge-hops'

/** The count that the forwarded request carries. Lying about it only harms the liar. */
export function hopsAfter(headers: Headers): number {
  const before = Number(headers.get(HOPS_HEADER) ?? '0')
  return (Number.isInteger(before) && before >= 0 ? before : LIMITS.edgeHopsMax) + 1
}

/** Throws loop_detected. */
export function refuseLoop(headers: Headers): void {
  if (hopsAfter(headers) > LIMITS.edgeHopsMax) {
    throw new AppError('loop_detected', 'The request has passed the edge before.')
  }
}
