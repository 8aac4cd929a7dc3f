/** Calls that a host passes on to the agent in a machine without reading them. What they say is a stranger's until it is parsed. */
import type { Duplex, Readable } from 'node:stream'
import type { Dispatcher, Pool } from 'undici'
import {
  GUEST_ANSWER_HEADER,
  GUEST_WORK_HEADER,
  type GuestMethod,
  HOST_ROUTES,
  passesToGuest,
} from '../../../shared/contracts/host.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { HostAddress } from './address.ts'
import { openDuplex, socketOf } from './open-duplex.ts'
import { busy, type Trouble, troubleOfThrown } from './outcome.ts'
import { readRefusal } from './read-refusal.ts'
import { requestHost } from './request-host.ts'

export type GuestRequest = {
  method: GuestMethod
  /** Of the agent's route, behind `/v1/`, with its query: percent-encoded where it is not plain. */
  path: string
  headers?: Record<string, string>
  body?: string | Uint8Array | Readable
  /** It is a command for as long as it lasts, and its sandbox is not idle meanwhile. */
  isWork?: boolean
}
/** What the agent answers, whatever the status. The body breaks with an error when it was cut. */
export type GuestAnswer = { kind: 'answered'; status: number; headers: Record<string, string>; body: Readable }
/** Both directions of an answer that was a success. */
export type GuestStream = { kind: 'opened'; socket: Duplex; headers: Record<string, string> }

export type GuestCalls = {
  /** Aborting `caller` breaks the call off, whenever that is. */
  guest(id: string, request: GuestRequest, caller: AbortSignal): Promise<GuestAnswer | Trouble>
  /** The same for a conversation, in which both sides say what they like when they like. */
  guestStream(id: string, request: GuestRequest, caller: AbortSignal): Promise<GuestStream | GuestAnswer | Trouble>
}

/** `callsMax` is how many the pool has connections for. */
export function guestCalls(address: HostAddress, pool: Pool, callsMax: number = LIMITS.hostCommandsMax): GuestCalls {
  const credential = address.kind === 'network' ? { authorization: `Bearer ${address.secret}` } : {}
  return {
    async guest(id, request, signal) {
      // In a queue it would wait for those who take hours over what they read.
      if (pool.stats.size >= callsMax) return busy(address.name)
      try {
        const { method, body = null } = request
        const headers = { ...credential, ...headersOf(request) }
        const response = await requestHost(pool, { method, path: pathOf(id, request), headers, body, signal })
        if (!isGuests(response.headers)) return await readRefusal(response)
        return answerOf(response.statusCode, response.headers, response.body)
      } catch (thrown) {
        return troubleOfThrown(thrown)
      }
    },
    async guestStream(id, request, caller) {
      const { method } = request
      const begun = await openDuplex(
        address,
        { method, path: pathOf(id, request), headers: headersOf(request) },
        caller,
      )
      if (begun.kind !== 'begun') return begun
      const { statusCode = 0, headers } = begun.response
      if (statusCode === HOST_ROUTES.guest.status && isGuests(headers))
        return { kind: 'opened', socket: socketOf(begun), headers: passing(headers) }
      if (isGuests(headers)) return answerOf(statusCode, headers, begun.response)
      const refusal = await readRefusal({ statusCode, headers, body: begun.response })
      begun.request.destroy()
      return refusal
    },
  }
}

type Headers = Dispatcher.ResponseData['headers']

const pathOf = (id: string, { path }: GuestRequest): string =>
  HOST_ROUTES.guest.path.replace(':id', id).replace(':rest{.+}', () => path)

const headersOf = ({ headers, isWork }: GuestRequest): Record<string, string> => ({
  ...headers,
  ...(isWork === true ? { [GUEST_WORK_HEADER]: '1' } : {}),
})

const isGuests = (headers: Headers): boolean => headers[GUEST_ANSWER_HEADER] === '1'

/** Whoever reads the body hears how it broke; an error that nobody hears would end the process. */
const answerOf = (status: number, headers: Headers, body: Readable): GuestAnswer => ({
  kind: 'answered',
  status,
  headers: passing(headers),
  body: body.on('error', () => {}),
})

const passing = (headers: Headers): Record<string, string> =>
  Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      typeof value === 'string' && passesToGuest(name) && name !== GUEST_ANSWER_HEADER ? [[name, value] as const] : [],
    ),
  )
