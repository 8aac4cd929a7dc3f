/** What wrangler.toml and `wrangler secret` give the Worker. */
export type Bindings = {
  CONFIG: KVNamespace
  KEYS: KVNamespace
  CAPACITY: KVNamespace
  RATE_FREE?: RateLimit
  RATE_PRO?: RateLimit
  RATE_SCALE?: RateLimit
  EDGE_SIGNING_KEY: string
  KEY_PEPPER: string
  INTERNAL_TOKEN: string
  TRUSTED_PROXY?: string
}
