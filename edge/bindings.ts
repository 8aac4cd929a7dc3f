/** What wrangler.toml and `wrangler secret` give the Worker. */
import type { TenantKeys } from './idempotency/tenant-keys.ts'
import type { TenantQuota } from './quota/tenant-quota.ts'

export type Bindings = {
  CONFIG: KVNamespace
  KEYS: KVNamespace
  CAPACITY: KVNamespace
  TENANT_QUOTA: DurableObjectNamespace<TenantQuota>
  TENANT_KEYS: DurableObjectNamespace<TenantKeys>
  RATE_FREE: RateLimit
  RATE_PRO: RateLimit
  RATE_SCALE: RateLimit
  EDGE_SIGNING_KEY: string
  KEY_PEPPER: string
  INTERNAL_TOKEN: string
  TRUSTED_PROXY?: string
  /** Under which the hosts of previews are. */
  PREVIEW_DOMAIN: string
}

/** What Hono's handlers find in their context. */
export type Edge = { Bindings: Bindings; Variables: { requestId: string; startedAtMs: number } }
