/** A whole controller in this process, with its hosts, its accounts and a client that speaks HTTP to it. */
import { createHash, generateKeyPairSync, type KeyObject, randomBytes, randomUUID } from 'node:crypto'
import { SignJWT } from 'jose'
import type pg from 'pg'
import { hashKey } from '../../../../origin/controller/accounts/secrets.ts'
import { type Seed, seedAccounts } from '../../../../origin/controller/accounts/seed.ts'
import { readConfig } from '../../../../origin/controller/config.ts'
import type { Log } from '../../../../origin/controller/log.ts'
import { type RunningController, startController } from '../../../../origin/controller/start.ts'
import { DEFAULT_TIERS, SCOPES } from '../../../../shared/accounts.ts'
import { EDGE_TOKEN } from '../../../../shared/edge-token.ts'
import { newApiKey } from '../../../../shared/ids.ts'
import { type PassClaims, PREVIEW_PASS } from '../../../../shared/preview-words.ts'
import { type HostDouble, startHostDouble } from './host-double.ts'

export { until } from '../../../harness/until.ts'

export const PEPPER = 'a-pepper-for-the-tests'
export const INTERNAL = 'internal-token-for-the-tests'
export const OPERATOR = 'operator-token-for-the-tests'

export type Answer = { status: number; headers: Headers; text: string; json: Json }
/** Tests read into it with `at`. */
export type Json = { [key: string]: unknown }
export type Ask = {
  method?: string
  key?: string | null
  body?: unknown
  raw?: string | Uint8Array
  headers?: Record<string, string>
}

export type TestRegion = {
  url: string
  running: RunningController
  host: HostDouble
  hosts: HostDouble[]
  /** A key with every scope, of a tenant that may have many sandboxes at a time. */
  key: string
  newKey(options?: {
    concurrency?: number
    tier?: string
    scopes?: readonly string[]
    tenant?: string
  }): Promise<Account>
  ask(path: string, options?: Ask): Promise<Answer>
  sql<Row extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<Row[]>
  logs: { level: string; event: string; fields: unknown }[]
  restart(): Promise<void>
  /** One more controller of the same region: same database, same hosts. */
  join(): Promise<RunningController>
  close(): Promise<void>
}
export type Account = { key: string; tenant: string; keyId: string; tier: string }

const edge = generateKeyPairSync('ed25519')
const edgeKeys = (key: KeyObject, kid: string) => ({ keys: [{ ...key.export({ format: 'jwk' }), kid }] })

/**
 * `env` is laid over the settings; a region that follows another one has no key of its own.
 * Hosts that are there already outlived their controllers.
 */
export type RegionOptions = { hosts?: number | HostDouble[]; code?: string; env?: Record<string, string> }

export async function startRegion(databaseUrl: string, options: RegionOptions = {}): Promise<TestRegion> {
  const { hosts: wanted = 1 } = options
  const hosts =
    typeof wanted === 'number'
      ? await Promise.all(Array.from({ length: wanted }, (_, index) => startHostDouble(`h${index + 1}`)))
      : wanted
  const [host] = hosts
  if (host === undefined) throw new Error('A region needs a host.')
  const logs: TestRegion['logs'] = []
  const log: Log = (level, event, fields) => void logs.push({ level, event, fields })
  const config = readConfig({
    ATOLL_REGION: options.code ?? 'usw1',
    ATOLL_REGION_NAME: 'us-west',
    ATOLL_LISTEN: '127.0.0.1:0',
    DATABASE_URL: databaseUrl,
    ATOLL_HOSTS: hosts.map(({ name, socketPath }) => `${name}=unix:${socketPath}`).join(','),
    ATOLL_EDGE_JWKS: JSON.stringify(edgeKeys(edge.publicKey, 'k1')),
    ATOLL_KEY_PEPPER: PEPPER,
    ATOLL_INTERNAL_TOKEN: INTERNAL,
    ATOLL_OPERATOR_TOKEN: OPERATOR,
    ATOLL_WEBHOOK_ALLOW_PRIVATE: 'true',
    ...options.env,
  })
  const seams = { log, clock: Date.now, random: randomBytes }
  let running = await startController(config, seams)
  let accounts = 0

  const region: TestRegion = {
    url: urlOf(running),
    running,
    host,
    hosts,
    key: '',
    logs,
    async newKey({ concurrency, tier: wanted = 'scale', scopes = SCOPES, tenant } = {}) {
      const key = newApiKey('test', randomBytes(32))
      const keyId = `key_${++accounts}_${randomUUID()}`
      const owner = tenant ?? `tenant_${accounts}_${randomUUID()}`
      const tier = concurrency === undefined ? wanted : `${wanted}_${keyId}`
      if (concurrency !== undefined)
        await region.sql(
          `insert into tier select $1, $2, requests_per_minute, max_size, max_timeout_sec, max_body_mib, version from tier where name = $3`,
          [tier, concurrency, wanted],
        )
      await seedAccounts(running.controller.database.db, seedOf({ key, keyId, owner, tier, scopes }))
      return { key, tenant: owner, keyId, tier }
    },
    async ask(path, { method = 'GET', key = region.key, body, raw, headers = {} } = {}) {
      const response = await fetch(region.url + path, {
        method,
        headers: { ...(key === null ? {} : { authorization: `Bearer ${key}` }), ...headers },
        ...(raw === undefined && body === undefined ? {} : { body: raw ?? JSON.stringify(body) }),
      })
      const text = await response.text()
      return { status: response.status, headers: response.headers, text, json: text === '' ? {} : JSON.parse(text) }
    },
    async sql(text, values = []) {
      const { rows } = await running.controller.database.pool.query(text, values)
      return rows
    },
    async restart() {
      await running.stop()
      running = await startController(config, seams)
      region.running = running
      region.url = urlOf(running)
    },
    join: () => startController({ ...config, listen: { ...config.listen, port: 0 } }, seams),
    async close() {
      await running.stop()
      await Promise.all(hosts.map((one) => one.close()))
    },
  }
  if (config.homeUrl === undefined) region.key = (await region.newKey()).key
  return region
}

const urlOf = ({ address }: RunningController): string => `http://${address.host}:${address.port}`

type SeedOf = { key: string; keyId: string; owner: string; tier: string; scopes: readonly string[] }

const seedOf = ({ key, keyId, owner, tier, scopes }: SeedOf): Seed => ({
  tenants: [{ id: owner, name: owner, tier }],
  keys: [
    {
      hash: hashKey(PEPPER, key),
      id: keyId,
      tenant: owner,
      tier,
      scopes: [...scopes],
      status: 'active',
      expires: null,
      keyVersion: 1,
    },
  ],
})

export type TokenChanges = {
  audience?: string
  method?: string
  path?: string
  expiresInSec?: number
  jti?: string
  signWith?: KeyObject
  body?: string
  idempotencyKey?: string
  uncounted?: { tenant?: number; key?: number }
}

/** A token as the edge would sign it for this request, but for what is changed. */
export async function edgeToken(
  account: Account,
  method: string,
  path: string,
  changes: TokenChanges = {},
): Promise<string> {
  const nowSec = Math.floor(Date.now() / 1_000)
  const sha = (text: string): string => createHash('sha256').update(text).digest('hex')
  return await new SignJWT({
    keyVersion: 1,
    tenant: account.tenant,
    tier: 'scale',
    scopes: [...SCOPES],
    limits: DEFAULT_TIERS.scale,
    requestId: 'req_from_the_edge',
    method: changes.method ?? method,
    pathHash: sha(changes.path ?? path),
    ...(changes.body === undefined ? {} : { bodyHash: sha(changes.body) }),
    ...(changes.uncounted === undefined ? {} : { uncounted: changes.uncounted }),
    ...(changes.idempotencyKey === undefined ? {} : { idempotencyKey: changes.idempotencyKey }),
    attempt: 1,
  })
    .setProtectedHeader({ alg: EDGE_TOKEN.algorithm, kid: 'k1' })
    .setIssuer(EDGE_TOKEN.issuer)
    .setAudience(changes.audience ?? EDGE_TOKEN.audience('usw1'))
    .setSubject(account.keyId)
    .setJti(changes.jti ?? randomUUID())
    .setIssuedAt(nowSec + Math.min(0, changes.expiresInSec ?? 0))
    .setExpirationTime(nowSec + (changes.expiresInSec ?? 60))
    .sign(changes.signWith ?? edge.privateKey)
}

/** A pass as the edge would sign it for a visitor's request, but for what is changed. */
export function previewPass(claims: Partial<PassClaims>, path: string, audience: string, signWith = edge.privateKey) {
  const nowSec = Math.floor(Date.now() / 1_000)
  const pathHash = createHash('sha256').update(path).digest('hex')
  const whose = {
    hasBadShare: false,
    requestId: 'req_of_a_visitor',
    method: 'GET',
    host: 'a.preview.localhost',
    scheme: 'http',
  }
  return new SignJWT({ ...whose, pathHash, jti: randomUUID(), iat: nowSec, exp: nowSec + 60, ...claims })
    .setProtectedHeader({ alg: PREVIEW_PASS.algorithm, kid: 'k1' })
    .setIssuer(PREVIEW_PASS.issuer)
    .setAudience(audience)
    .sign(signWith)
}

export const foreignEdgeKey = (): KeyObject => generateKeyPairSync('ed25519').privateKey

/** `at(answer.json, 'data', 'id')` */
export function at(value: unknown, ...path: string[]): unknown {
  return path.reduce<unknown>(
    (inner, key) => (typeof inner === 'object' && inner !== null ? Reflect.get(inner, key) : undefined),
    value,
  )
}
export const textAt = (value: unknown, ...path: string[]): string => String(at(value, ...path))
