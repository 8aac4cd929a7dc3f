/**
 * Who a key belongs to: the isolate's copy, else each source in turn. KV is the only source so far; a region that knows
 * keys newer than KV is one more entry of SOURCES.
 */
import { type KeyRecord, keyRecordSchema } from '../../shared/accounts.ts'
import { AppError } from '../../shared/errors.ts'
import { LIMITS } from '../../shared/limits.ts'
import type { Bindings } from '../bindings.ts'
import { hmacHex } from '../digest.ts'
import { KeptCopies, type Reading } from '../kv/kept-copies.ts'

type Source = (hash: string, bindings: Bindings) => Promise<KeyRecord | null>

const fromKv: Source = async (hash, bindings) => {
  const record: unknown = await bindings.KEYS.get(`k:${hash}`, { type: 'json', cacheTtl: LIMITS.kvCacheTtlSec })
  return record === null ? null : keyRecordSchema.parse(record)
}

const SOURCES: readonly Source[] = [fromKv]

/** Not knowing is remembered for a shorter time than knowing, because a key is often used right after it was made. */
const copies = new KeptCopies<KeyRecord | null>((record) =>
  record === null
    ? { freshMs: LIMITS.keyUnknownMs, staleMs: LIMITS.keyUnknownMs, outlivesFailure: false }
    : { freshMs: LIMITS.kvFreshMs, staleMs: LIMITS.kvStaleMs, outlivesFailure: false },
)

/** Null when no source knows the key. Throws configuration_unavailable when a source failed and no copy is young enough. */
export async function findKey(
  key: string,
  pepper: CryptoKey,
  bindings: Bindings,
  reading: Reading,
): Promise<KeyRecord | null> {
  const hash = await hmacHex(pepper, key)
  return copies.read(hash, () => ask(hash, bindings), reading)
}

async function ask(hash: string, bindings: Bindings): Promise<KeyRecord | null> {
  try {
    for (const source of SOURCES) {
      const record = await source(hash, bindings)
      if (record !== null) return record
    }
    return null
  } catch (cause) {
    throw new AppError('configuration_unavailable', 'API keys cannot be checked at the moment.', { cause })
  }
}
