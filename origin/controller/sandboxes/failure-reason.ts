/** Why a sandbox failed, in words that come from its host or even from inside it: made harmless before anybody keeps or shows them. */
import { LIMITS } from '../../../shared/limits.ts'

/** One line, without what moves a cursor or hides text, and short. PostgreSQL takes neither NUL nor half a character. */
export const failureReason = (said: string | null): string | null =>
  said
    ?.replaceAll(/[\s\p{Cc}\p{Cf}\p{Cs}]+/gu, ' ')
    .slice(0, LIMITS.lastErrorCharsMax)
    .toWellFormed()
    .trim() ?? null
