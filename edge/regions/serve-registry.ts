/**
 * The registry of regions, as operators read and replace it: checked, never half written, and only with regions that answer. Isolates
 * follow it within a minute. Operators take turns: two at once are told apart by the version as far as KV shows it.
 */
import type { Hono } from 'hono'
import { AppError } from '../../shared/errors.ts'
import { LIMITS } from '../../shared/limits.ts'
import { REGISTRY_KEY, REGISTRY_PATH, type RegionRegistry, regionRegistrySchema } from '../../shared/regions.ts'
import type { Edge } from '../bindings.ts'
import { askRegion } from '../capacity/poll-capacity.ts'
import { readConfig } from '../config.ts'
import { admitInternal } from '../requests/admit-internal.ts'
import { internalBody } from '../requests/internal-body.ts'
import { judgeRegistry, newlyReached } from './judge-registry.ts'
import { forgetRegistry } from './read-registry.ts'

export function serveRegistry(app: Hono<Edge>): void {
  app.get(REGISTRY_PATH, async (c) => {
    await admitInternal(c.req.raw, c.env)
    const registry = await inForce(c.env.CONFIG)
    if (registry === null) throw new AppError('not_found', 'There is no registry of regions, or none that can be read.')
    return c.json(registry)
  })
  app.put(REGISTRY_PATH, async (c) => {
    const registry = await internalBody(c, regionRegistrySchema, LIMITS.registryBytesMax)
    const before = await inForce(c.env.CONFIG)
    const faults = judgeRegistry(before, registry)
    if (Object.keys(faults).length > 0)
      throw new AppError('invalid_request', 'This registry of regions would strand somebody.', { details: faults })
    const { internalTokens } = await readConfig(c.env)
    await Promise.all(newlyReached(before, registry).map((region) => requireAnswer(region, internalTokens.sent)))
    await c.env.CONFIG.put(REGISTRY_KEY, JSON.stringify(registry))
    forgetRegistry()
    return c.json(registry)
  })
}

/** One that is missing or corrupt may be replaced by any that is good. */
async function inForce(config: KVNamespace): Promise<RegionRegistry | null> {
  const read = regionRegistrySchema.safeParse(await config.get(REGISTRY_KEY, 'json').catch(() => null))
  return read.success ? read.data : null
}

async function requireAnswer(region: RegionRegistry['regions'][number], internalToken: string): Promise<void> {
  if ((await askRegion(region, internalToken)) !== null) return
  throw new AppError(
    'region_unavailable',
    `${region.url} does not answer GET /v1/capacity as ${region.code} to the token of this edge.`,
  )
}
