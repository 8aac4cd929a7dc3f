/** Direct callers: an API key in the Authorization header, known here only by its keyed hash, or a browser's token made with one. */
import { looksLikeToken } from '../../../shared/browser-token.ts'
import { AppError } from '../../../shared/errors.ts'
import { isWellFormedApiKey } from '../../../shared/ids.ts'
import type { Accounts } from './accounts.ts'
import { requireUsable } from './key-facts.ts'
import { type Principal, principalOfKey } from './principal.ts'

export type KeyReader = (authorization: string | undefined) => Promise<Principal>

export function createKeyReader(
  { secrets, finder, words }: Pick<Accounts, 'secrets' | 'finder' | 'words'>,
  clock: () => number,
): KeyReader {
  return async (authorization) => {
    const credential = bearerOf(authorization)
    if (looksLikeToken(credential)) return words.readToken(credential)
    if (!isWellFormedApiKey(credential)) throw new AppError('invalid_token', 'This is not an API key of ours.')
    return principalOfKey(requireUsable(await finder.find(secrets.hashKey(credential)), clock()))
  }
}

/** The credential of an Authorization header. Throws when there is none, or when it is of another scheme. */
export function bearerOf(authorization: string | undefined): string {
  if (authorization === undefined || authorization.trim() === '')
    throw new AppError('missing_token', 'There is no API key in this request.')
  const match = /^Bearer +(\S+)$/i.exec(authorization.trim())
  if (match?.[1] === undefined) throw new AppError('invalid_token', 'The Authorization header should be "Bearer KEY".')
  return match[1]
}
