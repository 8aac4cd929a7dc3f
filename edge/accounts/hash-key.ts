/**
 * The hash by which a key is known everywhere. Most requests come with a key that this isolate has just seen, so the last hashes are
 * remembered, in memory and nowhere else: a hash costs more than the rest of what is done about a known key.
 */
import { LIMITS } from '../../shared/limits.ts'
import { hmacHex } from '../digest.ts'

/** By pepper, so that another pepper starts with nothing. */
const remembered = new WeakMap<CryptoKey, Map<string, string>>()

export async function hashKey(pepper: CryptoKey, key: string): Promise<string> {
  const known = remembered.get(pepper)?.get(key)
  return known ?? remember(pepper, key, await hmacHex(pepper, key))
}

function remember(pepper: CryptoKey, key: string, hash: string): string {
  const hashes = remembered.get(pepper) ?? new Map<string, string>()
  remembered.set(pepper, hashes)
  hashes.set(key, hash)
  const oldest = hashes.keys().next()
  if (hashes.size > LIMITS.edgeCacheEntriesMax && !oldest.done) hashes.delete(oldest.value)
  return hash
}
