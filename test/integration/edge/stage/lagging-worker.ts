/** The real Worker, before a KV that lags, and with a clock that a test sets ahead. */
import worker from '../../../../edge/main.ts'
import { arrange, throughLag } from './lagging-kv.ts'

export { TenantKeys, TenantQuota } from '../../../../edge/main.ts'

type Context = { waitUntil(work: Promise<unknown>): void }
type Fetch = (request: Request, bindings: unknown, context: Context) => Promise<Response>

/** How much goes on behind answers that were given. */
let underWay = 0

const counting = (context: Context): Context => ({
  waitUntil(work) {
    underWay += 1
    const done = work.finally(() => {
      underWay -= 1
    })
    context.waitUntil(done)
  },
})

export default {
  fetch(request: Request, bindings: Record<string, unknown>, context: Context): Promise<Response> | Response {
    const url = new URL(request.url)
    if (url.pathname !== '/__stage')
      return (worker.fetch as unknown as Fetch)(request, throughLag(bindings), counting(context))
    arrange(url)
    return Response.json({ underWay })
  },
}
