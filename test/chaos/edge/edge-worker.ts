/** The real Worker before a KV that lags, and with authorities over limits that a test can evict at any moment. */
import worker, { TenantQuota as RealQuota } from '../../../edge/main.ts'
import { arrange, throughLag } from '../../integration/edge/stage/lagging-kv.ts'

type Bindings = Record<string, unknown> & { TENANT_QUOTA: { getByName(tenant: string): TenantQuota } }
type Handler = (first: unknown, bindings: unknown, context: unknown) => Promise<Response>

export { TenantKeys } from '../../../edge/main.ts'

export class TenantQuota extends RealQuota {
  readonly #state: { abort(reason: string): void }

  constructor(...given: ConstructorParameters<typeof RealQuota>) {
    super(...given)
    this.#state = given[0]
  }

  /** What it had in memory is gone, what it was waiting for is broken off, and what it had stored stays. */
  vanish(): void {
    this.#state.abort('Evicted by a test.')
  }
}

export default {
  async fetch(request: Request, bindings: Bindings, context: unknown): Promise<Response> {
    const url = new URL(request.url)
    if (url.pathname === '/__stage') return arrange(url)
    if (url.pathname === '/__evict') {
      const authority = bindings.TENANT_QUOTA.getByName(url.searchParams.get('tenant') ?? '')
      // The call ends with the one who was called.
      await Promise.resolve(authority.vanish()).catch(() => undefined)
      return new Response(null, { status: 204 })
    }
    return (worker.fetch as unknown as Handler)(request, throughLag(bindings), context)
  },
  scheduled: (event: unknown, bindings: Bindings, context: unknown): Promise<unknown> =>
    (worker.scheduled as unknown as Handler)(event, throughLag(bindings), context),
}
