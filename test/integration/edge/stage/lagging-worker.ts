/**
 * The real Worker, before a KV as slow as the real one may be, and with a clock that a test sets ahead. What is written is seen only after
 * a while; what was read, or missed, is cached for as long as the reader allowed; and the whole store can be made to fail.
 */
import worker from '../../../../edge/main.ts'

export { TenantQuota } from '../../../../edge/main.ts'

type Version = { text: string; atMs: number }
type Store = {
  get(key: string, how?: unknown): Promise<unknown>
  put(key: string, text: string): Promise<void>
}

const realNow = Date.now.bind(Date)
let aheadMs = 0
let lagMs = 0
let isFailing = false
Date.now = () => realNow() + aheadMs

const CACHE_SEC_DEFAULT = 60
const written = new Map<string, Version[]>()
const cached = new Map<string, { value: unknown; untilMs: number }>()

function lagging(name: string, store: Store): Store {
  const seen = async (key: string): Promise<unknown> => {
    const versions = written.get(`${name} ${key}`) ?? []
    const newest = versions.findLast(({ atMs }) => Date.now() - atMs >= lagMs)
    return newest === undefined ? store.get(key, 'json') : JSON.parse(newest.text)
  }
  return {
    async get(key, how) {
      if (isFailing) throw new Error('KV is away.')
      const copy = cached.get(`${name} ${key}`)
      if (copy !== undefined && Date.now() < copy.untilMs) return copy.value
      const value = await seen(key)
      const cacheSec = typeof how === 'object' && how !== null ? Reflect.get(how, 'cacheTtl') : undefined
      cached.set(`${name} ${key}`, { value, untilMs: Date.now() + Number(cacheSec ?? CACHE_SEC_DEFAULT) * 1_000 })
      return value
    },
    async put(key, text) {
      if (isFailing) throw new Error('KV is away.')
      const versions = written.get(`${name} ${key}`) ?? []
      written.set(`${name} ${key}`, [...versions, { text, atMs: Date.now() }])
    },
  }
}

const throughLag = (bindings: Record<string, unknown>): Record<string, unknown> => ({
  ...bindings,
  ...Object.fromEntries(['CONFIG', 'KEYS', 'CAPACITY'].map((name) => [name, lagging(name, bindings[name] as Store)])),
})

/** `PUT /__stage?aheadMs=..&lagMs=..&isFailing=..` says how things are from now on. */
function arrange({ searchParams }: URL): Response {
  aheadMs = Number(searchParams.get('aheadMs') ?? aheadMs)
  lagMs = Number(searchParams.get('lagMs') ?? lagMs)
  isFailing = (searchParams.get('isFailing') ?? String(isFailing)) === 'true'
  return new Response(null, { status: 204 })
}

type Fetch = (request: Request, bindings: unknown, context: unknown) => Promise<Response>

export default {
  fetch(request: Request, bindings: Record<string, unknown>, context: unknown): Promise<Response> | Response {
    const url = new URL(request.url)
    if (url.pathname === '/__stage') return arrange(url)
    return (worker.fetch as unknown as Fetch)(request, throughLag(bindings), context)
  },
}
