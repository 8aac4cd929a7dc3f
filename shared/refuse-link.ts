/** What a link refuses, in words about the link: whoever has one may have no API key at all. */
import { AppError, type ErrorCode } from './errors.ts'

/** What the words that a link is made of are refused with, wherever they are judged. */
const SAID: Partial<Record<ErrorCode, string>> = {
  invalid_token: 'This link opens the one request that it was made for, and only as it was made.',
  revoked_token: 'This link, or the API key that it was made with, has expired or was revoked.',
}

/** To be thrown instead of what was thrown while a link was judged. */
export function refusalOfLink(thrown: unknown): unknown {
  if (!(thrown instanceof AppError)) return thrown
  const said = SAID[thrown.code]
  return said === undefined ? thrown : new AppError('link_refused', said, { cause: thrown })
}
