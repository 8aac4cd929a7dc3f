/** The real Worker, before a KV that lags, and with a clock that a test sets ahead. */
import worker from '../../../../edge/main.ts'
import { arrange, throughLag } from './lagging-kv.ts'

export { TenantKeys, TenantQuota } from '../../../../edge/main.ts'

type Fetch = (request: Request, bindings: unknown, context: unknown) => Promise<Response>

export default {
  fetch(request: Request, bindings: Record<string, unknown>, context: unknown): Promise<Response> | Response {
    const url = new URL(request.url)
    if (url.pathname === '/__stage') return arrange(url)
    return (worker.fetch as unknown as Fetch)(request, throughLag(bindings), context)
  },
}
