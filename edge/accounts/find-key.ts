/**
 * Who a key belongs to, by the hash of its secret: the isolate's copy, else KV, else the home region, which knows keys that are newer
 * than what KV shows. KV comes first, so that a key that was revoked is not asked for elsewhere.
 */
import { type KeyRecord, keyRecordSchema } from '../../shared/accounts.ts'
import { AppError } from '../../shared/errors.ts'
import { LIMITS } from '../../shared/limits.ts'
import type { Bindings } from '../bindings.ts'
import type { Config } from '../config.ts'
import { KeptCopies, type Reading } from '../kv/kept-copies.ts'
import { askHome } from './ask-home.ts'

export type Asking = { bindings: Bindings; config: Config; reading: Reading }
type Source = (hash: string, asking: Asking) => Promise<KeyRecord | null>

const fromKv: Source = async (hash, { bindings }) => {
  const record: unknown = await bindings.KEYS.get(`k:${hash}`, { type: 'json', cacheTtl: LIMITS.kvCacheTtlSec })
  return record === null ? null : keyRecordSchema.parse(record)
}

const SOURCES: readonly Source[] = [fromKv, askHome]

/** Not knowing is remembered for a shorter time than knowing, because a key is often used right after it was made. */
const copies = new KeptCopies<KeyRecord | null>((record) =>
  record === null
    ? { freshMs: LIMITS.keyUnknownMs, staleMs: LIMITS.keyUnknownMs, outlivesFailure: false }
    : { freshMs: LIMITS.kvFreshMs, staleMs: LIMITS.kvStaleMs, outlivesFailure: false },
)

/** Null when no source knows the key. Throws configuration_unavailable when a source failed and no copy is young enough. */
export const findKey = (hash: string, asking: Asking): Promise<KeyRecord | null> =>
  copies.read(hash, () => ask(hash, asking), asking.reading)

/** The next request asks the sources again. */
export const forgetKey = (hash: string): void => copies.forget(hash)

async function ask(hash: string, asking: Asking): Promise<KeyRecord | null> {
  try {
    for (const source of SOURCES) {
      const record = await source(hash, asking)
      if (record !== null) return record
    }
    return null
  } catch (cause) {
    throw new AppError('configuration_unavailable', 'API keys cannot be checked at the moment.', { cause })
  }
}
