/**
 * What a request shows of its caller: an API key or a browser's token in the Authorization header, a ticket in the URL of a GET, or a
 * link, which is the whole URL. A key in a URL is refused: URLs end up in logs, histories and referrers. A ticket is good once and for a
 * minute, and a link for one thing.
 */
import { jwtOfTicket, looksLikeToken, namesLink, STREAM_TICKET, splitLink } from '../../shared/browser-token.ts'
import { AppError } from '../../shared/errors.ts'
import { isWellFormedApiKey } from '../../shared/ids.ts'

export type Credential = { kind: 'key'; key: string } | { kind: 'token' | 'ticket' | 'link'; jwt: string }

const KEY_IN_URL = /atl_(live|test)_[0-9a-z]+/i
const BEARER = /^Bearer +(\S+) *$/i

/** Throws missing_token, invalid_token or link_refused; a mistyped key costs no look-up. */
export function credentialOf(method: string, authorization: string | null, search: string): Credential {
  if (carriesKey(search)) {
    throw new AppError('missing_token', 'An API key in the URL is refused. Treat that key as leaked: replace it.')
  }
  if (authorization === null) {
    return namesLink(search) ? linkOf(search) : ticketOf(method, search)
  }
  const shown = BEARER.exec(authorization)?.[1]
  if (shown === undefined) {
    throw new AppError('invalid_token', 'The Authorization header is not of the form "Bearer KEY".')
  }
  if (looksLikeToken(shown)) return { kind: 'token', jwt: shown }
  if (isWellFormedApiKey(shown)) return { kind: 'key', key: shown }
  throw new AppError('invalid_token', 'The API key is mistyped or incomplete.')
}

function linkOf(search: string): Credential {
  const link = splitLink(search)
  if (link === null) throw new AppError('link_refused', 'This link is not whole.')
  return { kind: 'link', jwt: link.jwt }
}

function ticketOf(method: string, search: string): Credential {
  const ticket = new URLSearchParams(search).get(STREAM_TICKET.parameter)
  if (ticket === null) throw new AppError('missing_token', 'The request carries no API key.')
  const jwt = method === 'GET' ? jwtOfTicket(ticket) : null
  if (jwt === null) throw new AppError('invalid_token', 'The ticket is not one of ours, or opens no stream.')
  return { kind: 'ticket', jwt }
}

function carriesKey(search: string): boolean {
  try {
    return KEY_IN_URL.test(decodeURIComponent(search))
  } catch {
    return KEY_IN_URL.test(search)
  }
}
