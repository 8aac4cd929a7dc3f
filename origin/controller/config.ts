/**
 * Everything that may be set about a controller, read once from the environment. The table is the documentation.
 *
 *   ATOLL_REGION            the code in every id: usw1
 *   ATOLL_REGION_NAME       the other name callers may use for it: us-west
 *   ATOLL_REGIONS           the regions that callers are told of, as JSON: [{"code", "name", "url"}]; without it, this one
 *   ATOLL_LISTEN            address:port, 127.0.0.1:4001
 *   DATABASE_URL            any PostgreSQL from 15 on; without it, the next two
 *   ATOLL_DATA_DIR          where the embedded PostgreSQL keeps its data; survives a restart
 *   ATOLL_RUN_DIR           its unix socket; a short path
 *   ATOLL_HOSTS             name=unix:/path/hostd.sock, joined by commas; machines that join need no line here, and must have none
 *   ATOLL_PLACEMENT         spread (most room first) or pack (fullest first); spread
 *   ATOLL_HOST_GONE_SEC     without word for this long a host is lost and its sandboxes are given up; 300
 *   ATOLL_PRIVATE_HOSTS     allow or refuse: whether a customer's own machine may have a private address; refuse
 *   ATOLL_EDGE_JWKS         the edge's public Ed25519 keys as a JWKS, two at most; without it, no edge is believed
 *   ATOLL_KEY_PEPPER        the secret under which API keys are hashed
 *   ATOLL_INTERNAL_TOKEN    the bearer token with which the edge asks for the capacity, and Prometheus for /metrics; `new,old` while it is replaced
 *   ATOLL_HOME_URL          the region that keeps the accounts, which this one follows; without it, this is that region
 *   ATOLL_EDGE_URL          the edge, which the home region tells of keys and tiers
 *   ATOLL_QUOTA_URL         the edge, which shares out the limits between regions; without it, this region is the only one
 *   ATOLL_PREVIEW_URL       what previews are under, as visitors see it; http://preview.localhost:8787
 *   ATOLL_OPERATOR_TOKEN    the bearer token of the people who run this; without it, the routes of operators are shut
 *   ATOLL_WEBHOOK_ALLOW_PRIVATE  true: webhooks may have private addresses and plain http, as on a local stack; false
 *   ATOLL_EGRESS_DEFAULT    deny or allow: whether sandboxes of which nobody says where they may go may go to the public internet; deny
 *   ATOLL_EGRESS_ALLOW_PRIVATE  true: names may lead sandboxes to private addresses, where their host allows it, too; false
 *   ATOLL_DEFAULT_SIZE      xs, small, medium, large or xl; small
 *   ATOLL_TEMPLATE_ALIASES  foreign names of templates: alias=template, joined by commas
 *   ATOLL_SEED_FILE         tenants and keys to know from the start: accounts/seed.ts
 */
import { resolve } from 'node:path'
import * as z from 'zod'
import { type RegionFacts, regionFacts } from '../../shared/contracts/catalog.ts'
import { EGRESS_EFFECTS } from '../../shared/contracts/host-egress.ts'
import { internalTokensSchema } from '../../shared/internal-token.ts'
import { LIMITS } from '../../shared/limits.ts'
import { SIZE_NAMES } from '../../shared/machines.ts'
import { regionCodeSchema } from '../../shared/regions.ts'
import { PLACEMENTS } from './placement/pick-host.ts'

const listen = z
  .string()
  .regex(/^[^:]+:\d+$/, { error: 'must be address:port' })
  .transform((text) => {
    const [host = '', port = ''] = text.split(':')
    return { host, port: Number(port) }
  })

/** `a=x,b=y` */
const pairs = z.string().transform((text, ctx) =>
  text
    .split(',')
    .filter((part) => part !== '')
    .map((part): [string, string] => {
      const at = part.indexOf('=')
      if (at < 1) ctx.addIssue({ code: 'custom', message: `"${part}" should be name=value` })
      return [part.slice(0, at).trim(), part.slice(at + 1).trim()]
    }),
)

const hosts = pairs.transform((entries, ctx) =>
  entries.map(([name, address]) => {
    if (!address.startsWith('unix:/')) ctx.addIssue({ code: 'custom', message: `host ${name} should be unix:/path` })
    return { kind: 'socket' as const, name, socketPath: address.slice('unix:'.length) }
  }),
)

const json = z.string().transform((text, ctx) => {
  try {
    return JSON.parse(text) as unknown
  } catch {
    ctx.addIssue({ code: 'custom', message: 'should be JSON' })
    return z.NEVER
  }
})

const publicKeys = json.pipe(
  z.object({
    keys: z
      .array(z.object({ kty: z.literal('OKP'), crv: z.literal('Ed25519'), x: z.string(), kid: z.string() }))
      .min(1)
      .max(LIMITS.edgeKeysMax),
  }),
)

const schema = z
  .object({
    ATOLL_REGION: regionCodeSchema,
    ATOLL_REGION_NAME: z.string().min(1),
    ATOLL_REGIONS: json.pipe(z.array(regionFacts).max(LIMITS.regionsMax)).optional(),
    ATOLL_LISTEN: listen.default({ host: '127.0.0.1', port: 4001 }),
    DATABASE_URL: z.string().min(1).optional(),
    ATOLL_DATA_DIR: z.string().startsWith('/').optional(),
    ATOLL_RUN_DIR: z.string().startsWith('/').optional(),
    ATOLL_HOSTS: hosts.default([]),
    ATOLL_PLACEMENT: z.enum(PLACEMENTS).default('spread'),
    ATOLL_HOST_GONE_SEC: z.coerce
      .number()
      .positive()
      .default(LIMITS.hostGoneAfterMs / 1_000),
    ATOLL_PRIVATE_HOSTS: z.enum(['allow', 'refuse']).default('refuse'),
    ATOLL_EDGE_JWKS: publicKeys.optional(),
    ATOLL_KEY_PEPPER: z.string().min(16),
    ATOLL_INTERNAL_TOKEN: internalTokensSchema,
    ATOLL_HOME_URL: z.url({ protocol: /^https?$/ }).optional(),
    ATOLL_EDGE_URL: z.url({ protocol: /^https?$/ }).optional(),
    ATOLL_QUOTA_URL: z.url({ protocol: /^https?$/ }).optional(),
    ATOLL_PREVIEW_URL: z.url({ protocol: /^https?$/ }).default('http://preview.localhost:8787'),
    ATOLL_OPERATOR_TOKEN: z.string().min(16).optional(),
    ATOLL_WEBHOOK_ALLOW_PRIVATE: z.enum(['true', 'false']).default('false'),
    ATOLL_EGRESS_DEFAULT: z.enum(EGRESS_EFFECTS).default('deny'),
    ATOLL_EGRESS_ALLOW_PRIVATE: z.enum(['true', 'false']).default('false'),
    ATOLL_DEFAULT_SIZE: z.enum(SIZE_NAMES).default('small'),
    ATOLL_TEMPLATE_ALIASES: pairs
      .default([
        ['miosa-sandbox', 'default'],
        ['base', 'default'],
        ['code-interpreter-v1', 'default'],
      ])
      .transform((entries) => new Map(entries)),
    ATOLL_SEED_FILE: z.string().startsWith('/').optional(),
  })
  .transform((env, ctx) => {
    const database = databaseOf(env)
    if (database === undefined) {
      ctx.addIssue({ code: 'custom', message: 'Give DATABASE_URL, or ATOLL_DATA_DIR and ATOLL_RUN_DIR.' })
      return z.NEVER
    }
    return {
      region: { code: env.ATOLL_REGION, name: env.ATOLL_REGION_NAME },
      regions: regionsOf(env.ATOLL_REGIONS ?? [], { code: env.ATOLL_REGION, name: env.ATOLL_REGION_NAME }),
      listen: env.ATOLL_LISTEN,
      database,
      hosts: env.ATOLL_HOSTS,
      hostRules: {
        placement: env.ATOLL_PLACEMENT,
        goneAfterMs: env.ATOLL_HOST_GONE_SEC * 1_000,
        arePrivateAllowed: env.ATOLL_PRIVATE_HOSTS === 'allow',
      },
      edgeKeys: env.ATOLL_EDGE_JWKS,
      keyPepper: env.ATOLL_KEY_PEPPER,
      internalToken: env.ATOLL_INTERNAL_TOKEN.sent,
      internalTokensBelieved: env.ATOLL_INTERNAL_TOKEN.believed,
      homeUrl: env.ATOLL_HOME_URL,
      edgeUrl: env.ATOLL_EDGE_URL,
      quotaUrl: env.ATOLL_QUOTA_URL,
      previewUrl: env.ATOLL_PREVIEW_URL,
      operatorToken: env.ATOLL_OPERATOR_TOKEN,
      webhookReach: env.ATOLL_WEBHOOK_ALLOW_PRIVATE === 'true' ? ('anywhere' as const) : ('public' as const),
      egress: { default_effect: env.ATOLL_EGRESS_DEFAULT, allow_private: env.ATOLL_EGRESS_ALLOW_PRIVATE === 'true' },
      defaultSize: env.ATOLL_DEFAULT_SIZE,
      templateAliases: env.ATOLL_TEMPLATE_ALIASES,
      seedFile: env.ATOLL_SEED_FILE,
    }
  })
export type Config = z.infer<typeof schema>

/** A region always knows itself. */
const regionsOf = (given: RegionFacts[], own: { code: string; name: string }): RegionFacts[] =>
  given.some(({ code }) => code === own.code) ? given : [{ ...own, url: null }, ...given]

export type DatabaseConfig = { kind: 'url'; url: string } | { kind: 'embedded'; dataDir: string; runDir: string }

function databaseOf(env: {
  DATABASE_URL?: string | undefined
  ATOLL_DATA_DIR?: string | undefined
  ATOLL_RUN_DIR?: string | undefined
}): DatabaseConfig | undefined {
  if (env.DATABASE_URL !== undefined) return { kind: 'url', url: env.DATABASE_URL }
  if (env.ATOLL_DATA_DIR === undefined || env.ATOLL_RUN_DIR === undefined) return undefined
  // A server is known by its whole path.
  return { kind: 'embedded', dataDir: resolve(env.ATOLL_DATA_DIR), runDir: resolve(env.ATOLL_RUN_DIR) }
}

/** For a program that needs the database and nothing else of a controller. Throws when the environment names none. */
export function readDatabaseConfig(env: Record<string, string | undefined> = process.env): DatabaseConfig {
  const database = databaseOf(env)
  if (database === undefined) throw new Error('Give DATABASE_URL, or ATOLL_DATA_DIR and ATOLL_RUN_DIR.')
  return database
}

/** Throws an Error that names every variable that is wrong, and no value of any. */
export function readConfig(env: Record<string, string | undefined> = process.env): Config {
  const read = schema.safeParse(env)
  if (read.success) return read.data
  const wrong = read.error.issues.map((issue) => `  ${issue.path.join('.')}: ${issue.message}`)
  throw new Error(`The controller cannot start with this environment:\n${wrong.join('\n')}`)
}
