/** The real Worker before a KV that lags, with Durable Objects that a test can evict at any moment. */
import worker, { TenantKeys as RealKeys, TenantQuota as RealQuota } from '../../../edge/main.ts'
import { arrange, throughLag } from '../../integration/edge/stage/lagging-kv.ts'

type Evicted = { vanish(): void }
type Namespace = { getByName(tenant: string): Evicted }
type Bindings = Record<string, unknown> & { TENANT_QUOTA: Namespace; TENANT_KEYS: Namespace }
type Handler<Answer> = (first: unknown, bindings: unknown, context: unknown) => Promise<Answer>
type State = { abort(reason: string): void }

/** What an object had in memory is gone, what it was waiting for is broken off, and what it had stored stays. */
const EVICTED = 'Evicted by a test.'

export class TenantQuota extends RealQuota implements Evicted {
  readonly #state: State

  constructor(...[state, bindings]: ConstructorParameters<typeof RealQuota>) {
    super(state, bindings)
    this.#state = state
  }

  vanish(): void {
    this.#state.abort(EVICTED)
  }
}

export class TenantKeys extends RealKeys implements Evicted {
  readonly #state: State

  constructor(...[state, bindings]: ConstructorParameters<typeof RealKeys>) {
    super(state, throughLag(bindings) as typeof bindings)
    this.#state = state
  }

  vanish(): void {
    this.#state.abort(EVICTED)
  }
}

export default {
  async fetch(request: Request, bindings: Bindings, context: unknown): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url)
    if (pathname === '/__stage') return arrange(new URL(request.url))
    if (pathname === '/__evict') {
      const namespace = searchParams.get('what') === 'keys' ? bindings.TENANT_KEYS : bindings.TENANT_QUOTA
      // The call ends with the one who was called.
      await Promise.resolve(namespace.getByName(searchParams.get('tenant') ?? '').vanish()).catch(() => undefined)
      return new Response(null, { status: 204 })
    }
    return (worker.fetch as unknown as Handler<Response>)(request, throughLag(bindings), context)
  },
  scheduled: (event: unknown, bindings: Bindings, context: unknown): Promise<unknown> =>
    (worker.scheduled as unknown as Handler<unknown>)(event, throughLag(bindings), context),
}
