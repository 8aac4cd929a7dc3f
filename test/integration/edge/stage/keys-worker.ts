/** The real Worker, with a clock that a test sets ahead, and before keys of tenants that a test makes silent, old and many. */
import worker, { TenantKeys as RealKeys } from '../../../../edge/main.ts'
import { arrange, throughLag } from './lagging-kv.ts'

export { TenantQuota } from '../../../../edge/main.ts'

/** `away` does nothing, `deaf` does it and does not say so. */
type Manner = 'well' | 'away' | 'deaf'
type Fetch = (request: Request, bindings: unknown, context: unknown) => Promise<Response>
type Keys = { [name: string]: (...given: unknown[]) => Promise<unknown> }
type Namespace = { getByName(tenant: string): Keys }

let manner: Manner = 'well'

export class TenantKeys extends RealKeys {
  readonly #storage: { sql: { exec(query: string, ...bindings: unknown[]): { one(): Record<string, unknown> } } }

  constructor(...given: ConstructorParameters<typeof RealKeys>) {
    super(...given)
    this.#storage = Reflect.get(given[0], 'storage')
  }

  /** Its alarm goes off. */
  wake(): Promise<void> {
    return this.alarm()
  }

  /** Binds as many keys, all of them older than any that is bound from now on. */
  fill(count: number): void {
    this.#storage.sql.exec(
      `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
       INSERT INTO binding SELECT 'old ' || i, 'usw1', 'held', 'req', 'b', '', ? + i FROM n`,
      count,
      Date.now(),
    )
  }

  count(): unknown {
    return this.#storage.sql.exec('SELECT count(*) AS count FROM binding').one().count
  }
}

/** As the tenant's keys are when they are asked, which may be long after the request came. */
const inManner = (real: Namespace): Namespace => ({
  getByName: (tenant) =>
    new Proxy(
      {},
      {
        get:
          (_target, name) =>
          async (...given: unknown[]) => {
            const answer = manner === 'away' ? undefined : await real.getByName(tenant)[String(name)]?.(...given)
            if (manner === 'well') return answer
            throw new Error('The keys are silent.')
          },
      },
    ),
})

async function tell(url: URL, keys: Keys): Promise<Response> {
  manner = (url.searchParams.get('manner') as Manner | null) ?? manner
  const count = url.searchParams.get('fill')
  if (count !== null) await keys.fill?.(Number(count))
  if (url.searchParams.has('wake')) await keys.wake?.()
  return Response.json(url.searchParams.has('count') ? await keys.count?.() : null)
}

export default {
  async fetch(request: Request, bindings: Record<string, unknown>, context: unknown): Promise<Response> {
    const url = new URL(request.url)
    const namespace = bindings.TENANT_KEYS as Namespace
    if (url.pathname === '/__stage') return arrange(url)
    if (url.pathname === '/__keys') return tell(url, namespace.getByName('ten_1'))
    const seen = { ...bindings, TENANT_KEYS: inManner(namespace) }
    return (worker.fetch as unknown as Fetch)(request, throughLag(seen), context)
  },
}
