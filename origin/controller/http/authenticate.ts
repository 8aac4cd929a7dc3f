/** Who is asking: the edge's signed token when there is one, else an API key of the caller's own. */
import { timingSafeEqual } from 'node:crypto'
import { namesLink, STREAM_TICKET } from '../../../shared/browser-token.ts'
import type { Route } from '../../../shared/contracts/route.ts'
import { EDGE_TOKEN, type EdgeClaims } from '../../../shared/edge-token.ts'
import { AppError } from '../../../shared/errors.ts'
import type { Accounts } from '../accounts/accounts.ts'
import { bearerOf, type KeyReader } from '../accounts/api-keys.ts'
import { type EdgeTokenReader, sha256Hex } from '../accounts/edge-tokens.ts'
import type { Principal } from '../accounts/principal.ts'
import { type Arrival, header } from './arrival.ts'
import type { Door } from './serve-route.ts'

export type Credentials = {
  accounts: Pick<Accounts, 'words' | 'uses'>
  readKey: KeyReader
  readEdgeToken: EdgeTokenReader | undefined
  /** What the edge and the other regions say. */
  internalTokens: readonly string[]
  /** What the people who run this installation say; without one, nobody is an operator. */
  operatorToken: string | undefined
}
export type Proven = { principal: Principal; claims: EdgeClaims | undefined }

export async function authenticate(credentials: Credentials, arrival: Arrival, route?: Route): Promise<Proven> {
  const proven = await prove(credentials, arrival, route)
  credentials.accounts.uses.note(proven.principal.key)
  return proven
}

async function prove(credentials: Credentials, arrival: Arrival, route: Route | undefined): Promise<Proven> {
  const token = header(arrival, EDGE_TOKEN.header)
  if (token === undefined) {
    return { principal: await proveHere(credentials, arrival, route), claims: undefined }
  }
  if (credentials.readEdgeToken === undefined)
    throw new AppError('invalid_token', 'The token of the edge was refused.', { detail: 'no edge is configured' })
  const claims = await credentials.readEdgeToken(token, arrival)
  arrival.requestId = claims.requestId
  if (claims.ticket !== undefined) {
    requireStream(route)
    await credentials.accounts.words.useTicket(claims.ticket)
  }
  return { principal: principalOf(claims), claims }
}

/** Whoever sends a header means that; who can send none has a ticket or a link in the URL. */
async function proveHere(
  { accounts: { words }, readKey }: Credentials,
  arrival: Arrival,
  route: Route | undefined,
): Promise<Principal> {
  const authorization = header(arrival, 'authorization')
  if (authorization !== undefined) return readKey(authorization)
  const ticket = ticketOf(arrival)
  if (ticket !== null) {
    requireStream(route)
    return words.readTicket(ticket)
  }
  if (!namesLink(arrival.pathAndQuery)) return readKey(undefined)
  if (route?.link !== true) throw new AppError('link_refused', 'A link opens the one request that it was made for.')
  return words.readLink(arrival)
}

function ticketOf(arrival: Arrival): string | null {
  const [, search = ''] = arrival.pathAndQuery.split('?', 2)
  return new URLSearchParams(search).get(STREAM_TICKET.parameter)
}

/** A URL is kept in places where a secret should not be, so a ticket opens a stream and nothing else. */
function requireStream(route: Route | undefined): void {
  if (route?.method === 'GET' && (isEndless(route.stream) || route.socket !== undefined)) return
  throw new AppError('invalid_token', 'A ticket opens a stream, and nothing else.')
}

/** Bytes of a file end, and are fetched by a link instead. */
const isEndless = (stream: Route['stream']): boolean => stream !== undefined && stream !== 'application/octet-stream'

function principalOf({
  sub,
  keyVersion,
  tenant,
  tier,
  scopes,
  limits,
  externalUser,
  sandbox,
  temporary,
}: EdgeClaims): Principal {
  return {
    key: sub,
    keyVersion,
    tenant,
    tier,
    scopes,
    limits,
    tenantRequestsPerMinute: limits.requestsPerMinute,
    externalUser: externalUser ?? null,
    externalMax: externalUser === undefined ? null : limits.concurrency,
    sandbox: sandbox ?? null,
    isTemporary: temporary === true,
  }
}

/** For what our own machines ask, and the people who run this installation may. */
export function requireOurs({ internalTokens, operatorToken }: Credentials, arrival: Arrival): void {
  admitBearer(arrival, operatorToken === undefined ? internalTokens : [...internalTokens, operatorToken])
}

/** For what nobody but our own machines may ask. */
export function requireInternal({ internalTokens }: Credentials, arrival: Arrival): void {
  admitBearer(arrival, internalTokens)
}

/** The doors of what only our own machines, or only operators, may ask. */
export const internalDoor =
  ({ internalTokens }: Credentials): Door<null> =>
  async (arrival) =>
    admitBearer(arrival, internalTokens)

export const operatorDoor =
  ({ operatorToken }: Credentials): Door<null> =>
  async (arrival) =>
    admitBearer(arrival, operatorToken === undefined ? [] : [operatorToken])

/** Compared by digest, so that time tells nothing. Whoever comes by way of the edge has shown an API key there, which the edge keeps. */
function admitBearer(arrival: Arrival, wanted: readonly string[]): { who: null; claims: undefined } {
  if (header(arrival, EDGE_TOKEN.header) !== undefined)
    throw new AppError('not_for_tenants', 'This route is not for those who use the service.')
  const given = bearerOf(header(arrival, 'authorization'))
  if (!isAnyOf(given, wanted)) throw new AppError('invalid_token', 'This token does not open this route.')
  return { who: null, claims: undefined }
}

const isAnyOf = (given: string, wanted: readonly string[]): boolean =>
  wanted.some((one) => timingSafeEqual(Buffer.from(sha256Hex(given)), Buffer.from(sha256Hex(one))))
