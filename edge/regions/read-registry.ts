/** The two records that configure routing, from KV: regions and tiers. The last good copy serves for as long as KV does not. */
import { type Tiers, tiersSchema } from '../../shared/accounts.ts'
import { AppError } from '../../shared/errors.ts'
import { LIMITS } from '../../shared/limits.ts'
import { REGISTRY_KEY, type RegionRegistry, regionRegistrySchema } from '../../shared/regions.ts'
import type { Bindings } from '../bindings.ts'
import { KeptCopies, type Lifetimes, type Reading } from '../kv/kept-copies.ts'

const LIFETIMES: Lifetimes = { freshMs: LIMITS.kvFreshMs, staleMs: LIMITS.kvStaleMs, outlivesFailure: true }
const registries = new KeptCopies<RegionRegistry>(() => LIFETIMES)
const tierTables = new KeptCopies<Tiers>(() => LIFETIMES)

/** Throws configuration_unavailable when the record is missing or corrupt and none was good before. */
export const readRegistry = (bindings: Bindings, reading: Reading): Promise<RegionRegistry> =>
  registries.read(REGISTRY_KEY, () => load(bindings, REGISTRY_KEY, regionRegistrySchema), reading)

/** The next request of this isolate reads it again. */
export const forgetRegistry = (): void => registries.forget(REGISTRY_KEY)

/** Throws configuration_unavailable likewise. */
export const readTiers = (bindings: Bindings, reading: Reading): Promise<Tiers> =>
  tierTables.read('tiers:v1', () => load(bindings, 'tiers:v1', tiersSchema), reading)

async function load<Value>(bindings: Bindings, key: string, schema: { parse(data: unknown): Value }): Promise<Value> {
  try {
    return schema.parse(await bindings.CONFIG.get(key, { type: 'json', cacheTtl: LIMITS.kvCacheTtlSec }))
  } catch (cause) {
    throw new AppError('configuration_unavailable', 'The service cannot read its configuration at the moment.', {
      detail: `The record ${key} is missing, corrupt or unreachable.`,
      cause,
    })
  }
}
