/**
 * One attempt at one delivery, bounded in time and in what is read of the answer. Redirects are not followed: they would lead past the
 * check of the address, which is made of the very addresses that are connected to.
 */
import type { LookupFunction } from 'node:net'
import { Agent } from 'undici'
import { LIMITS } from '../../../shared/limits.ts'
import { familyOf } from '../../../shared/public-address.ts'
import { type Bounds, bareHost, refusalOfUrl, resolvePublic } from './public-address.ts'
import { signDelivery } from './sign-delivery.ts'

export type Parcel = {
  id: string
  url: string
  headers: Record<string, string>
  secret: string
  body: string
}
/** `broken_off` is our own doing, and says nothing of the receiver. */
export type Attempt = { kind: 'answered'; status: number } | { kind: 'failed'; error: string } | { kind: 'broken_off' }

export type Sender = {
  bounds: Bounds
  send(parcel: Parcel, stop: AbortSignal): Promise<Attempt>
  close(): Promise<void>
}

/** Only the check of the address may fail with this; its words are told to the webhook's owner. */
class AddressRefused extends Error {}

export function createSender(bounds: Bounds, clock: () => number): Sender {
  const lookup: LookupFunction = (host, options, tell) => {
    resolvePublic(host, bounds).then(
      (found) => {
        if (found.kind === 'refused') return tell(new AddressRefused(`The URL ${found.why}.`), '')
        const [first] = found.addresses
        if (options.all === true) return tell(null, found.addresses)
        tell(null, first?.address ?? '', first?.family ?? 0)
      },
      (thrown: unknown) => tell(thrown instanceof Error ? thrown : new Error(String(thrown)), ''),
    )
  }
  const agent = new Agent({
    connect: { lookup, timeout: LIMITS.webhookTimeoutMs },
    headersTimeout: LIMITS.webhookTimeoutMs,
    bodyTimeout: LIMITS.webhookTimeoutMs,
    maxResponseSize: LIMITS.webhookAnswerBytesMax,
    pipelining: 1,
  })
  return {
    bounds,
    async send(parcel, stop) {
      const refusal = refusalOfUrl(parcel.url, bounds.reach) ?? (await refusalOfAddress(hostOf(parcel.url), bounds))
      if (refusal !== null) return { kind: 'failed', error: `The URL ${refusal}.` }
      const timeout = AbortSignal.timeout(LIMITS.webhookTimeoutMs)
      try {
        return await deliver(agent, parcel, clock(), AbortSignal.any([stop, timeout]))
      } catch (thrown) {
        if (stop.aborted) return { kind: 'broken_off' }
        const late = `There was no answer within ${LIMITS.webhookTimeoutMs / 1_000} seconds.`
        return { kind: 'failed', error: timeout.aborted ? late : wordsOf(thrown) }
      }
    },
    close: () => agent.destroy(),
  }
}

/** Of a URL that names an address: nobody is asked for that one when it is connected to. */
async function refusalOfAddress(host: string, bounds: Bounds): Promise<string | null> {
  if (familyOf(host) === 0) return null
  const found = await resolvePublic(host, bounds)
  return found.kind === 'refused' ? found.why : null
}

async function deliver(agent: Agent, parcel: Parcel, nowMs: number, signal: AbortSignal): Promise<Attempt> {
  const url = new URL(parcel.url)
  const signature = signDelivery(parcel.secret, parcel.body, nowMs)
  const { statusCode, body } = await agent.request({
    origin: url.origin,
    path: url.pathname + url.search,
    method: 'POST',
    body: parcel.body,
    headers: {
      ...parcel.headers,
      'content-type': 'application/json',
      'user-agent': 'Atoll-Webhooks/1',
      'atoll-delivery': parcel.id,
      'atoll-signature': signature,
      'miosa-signature': signature,
    },
    signal,
  })
  // What an answer says is read so that its connection can be used again; of one that is too long, or breaks off, the status counts.
  await body.dump({ limit: LIMITS.webhookAnswerBytesMax, signal }).catch(() => {})
  return { kind: 'answered', status: statusCode }
}

/** In the terms of the network, without addresses of ours. */
function wordsOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return 'The connection failed.'
  if (thrown instanceof AddressRefused) return thrown.message
  if (thrown.cause instanceof AddressRefused) return thrown.cause.message
  const code = 'code' in thrown && typeof thrown.code === 'string' ? ` (${thrown.code})` : ''
  return `The connection failed${code}.`.slice(0, LIMITS.webhookErrorCharsMax)
}

export const hostOf = (url: string): string => bareHost(new URL(url))
