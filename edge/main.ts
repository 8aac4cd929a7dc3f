/** The Worker: requests go to the app, the clock's ticks to the capacity poll. */
import { app } from './app.ts'
import type { Bindings } from './bindings.ts'
import { pollCapacity } from './capacity/poll-capacity.ts'
import { readConfig } from './config.ts'
import { readRegistry } from './regions/read-registry.ts'

export { TenantKeys } from './idempotency/tenant-keys.ts'
export { TenantQuota } from './quota/tenant-quota.ts'

export default {
  fetch: app.fetch,

  async scheduled(_controller, bindings, ctx) {
    const reading = { nowMs: Date.now(), inBackground: (work: Promise<unknown>) => ctx.waitUntil(work) }
    const { internalTokens } = await readConfig(bindings)
    const silent = await pollCapacity(await readRegistry(bindings, reading), internalTokens.sent, bindings.CAPACITY)
    if (silent.length > 0)
      console.error(JSON.stringify({ level: 'error', message: 'Regions gave no capacity.', silent }))
  },
} satisfies ExportedHandler<Bindings>
