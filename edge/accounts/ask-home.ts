/**
 * Asks the home region for a key that KV does not know. One question at a time for a key, and a bounded number of questions, so that
 * whoever sends keys that nobody has cannot keep the home busy.
 */
import type { KeyRecord } from '../../shared/accounts.ts'
import { ACCOUNT_FEED_ROUTES } from '../../shared/contracts/account-feed.ts'
import { LIMITS } from '../../shared/limits.ts'
import { findRegion } from '../../shared/regions.ts'
import { readRegistry } from '../regions/read-registry.ts'
import type { Asking } from './find-key.ts'

const underWay = new Map<string, Promise<KeyRecord | null>>()

/** Throws when the home does not answer, or when too much is asked of it already. */
export function askHome(hash: string, asking: Asking): Promise<KeyRecord | null> {
  const same = underWay.get(hash)
  if (same !== undefined) return same
  if (underWay.size >= LIMITS.homeKeysAtOnceMax)
    throw new Error('Too many unknown keys are asked for at the same time.')
  const question = ask(hash, asking).finally(() => underWay.delete(hash))
  underWay.set(hash, question)
  // The request that asks may be cancelled with its client; those that wait with it must get their answer all the same.
  asking.reading.inBackground(question.catch(() => undefined))
  return question
}

async function ask(hash: string, { bindings, config, reading }: Asking): Promise<KeyRecord | null> {
  const registry = await readRegistry(bindings, reading)
  const home = findRegion(registry, registry.default)
  if (home === undefined) throw new Error('The registry names no home region.')
  const { key } = ACCOUNT_FEED_ROUTES
  const response = await fetch(new URL(key.path.replace(':hash', hash), home.url), {
    headers: { authorization: `Bearer ${config.internalTokens.sent}` },
    redirect: 'manual',
    signal: AbortSignal.timeout(LIMITS.homeKeyMs),
  })
  if (response.status !== key.status) {
    await response.body?.cancel()
    throw new Error(`The home region answered ${response.status}.`)
  }
  return key.answer.parse(await response.json()).data
}
