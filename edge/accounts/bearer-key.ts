/** The API key of a request, from the Authorization header and nowhere else: URLs end up in logs, histories and referrers. */
import { AppError } from '../../shared/errors.ts'
import { isWellFormedApiKey } from '../../shared/ids.ts'

const KEY_IN_URL = /atl_(live|test)_[0-9a-z]+/i
const BEARER = /^Bearer +(\S+) *$/i

/** Throws missing_token or invalid_token; a mistyped key costs no look-up. */
export function bearerKey(authorization: string | null, search: string): string {
  if (carriesKey(search)) {
    throw new AppError('missing_token', 'An API key in the URL is refused. Treat that key as leaked: replace it.')
  }
  if (authorization === null) throw new AppError('missing_token', 'The request carries no API key.')
  const key = BEARER.exec(authorization)?.[1]
  if (key === undefined) {
    throw new AppError('invalid_token', 'The Authorization header is not of the form "Bearer KEY".')
  }
  if (!isWellFormedApiKey(key)) throw new AppError('invalid_token', 'The API key is mistyped or incomplete.')
  return key
}

function carriesKey(search: string): boolean {
  try {
    return KEY_IN_URL.test(decodeURIComponent(search))
  } catch {
    return KEY_IN_URL.test(search)
  }
}
