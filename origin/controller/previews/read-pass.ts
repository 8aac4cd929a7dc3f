/** The edge's word on one request of a visitor: good for one method and path of this region's previews, once where it may change something. */
import type { JSONWebKeySet } from 'jose'
import { AppError } from '../../../shared/errors.ts'
import { type PassClaims, PREVIEW_PASS, passClaimsSchema } from '../../../shared/preview-words.ts'
import { type Arrival, createWordReader } from '../accounts/edge-tokens.ts'

export type PassReader = (pass: string, request: Arrival) => Promise<PassClaims>

/** Throws invalid_token. */
export const createPassReader = (keys: JSONWebKeySet, regionCode: string, clock: () => number): PassReader =>
  createWordReader(keys, { ...PREVIEW_PASS, claims: passClaimsSchema, refused }, regionCode, clock)

function refused(detail: string, cause?: unknown): AppError {
  return new AppError('invalid_token', 'The word of the edge was refused.', { detail, cause })
}
