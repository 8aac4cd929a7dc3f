/**
 * A KV as slow as the real one may be, and a clock that a test sets ahead. What is written is seen only after a while; what was read,
 * or missed, is cached for as long as the reader allowed; and the whole store can be made to fail.
 *
 * What is written lies in the real store, with its time, so that it outlives a Worker that is restarted.
 */
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
/** More than are written within the longest lag. */
const VERSIONS_MAX = 500
const NAMESPACES = ['CONFIG', 'KEYS', 'CAPACITY']
const cached = new Map<string, { value: unknown; untilMs: number }>()

/** The bindings of a Worker, with every store of them behind the lag. */
export const throughLag = (bindings: Record<string, unknown>): Record<string, unknown> => ({
  ...bindings,
  ...Object.fromEntries(NAMESPACES.map((name) => [name, lagging(name, bindings[name] as Store)])),
})

/** `PUT /__stage?aheadMs=..&lagMs=..&isFailing=..` says how things are from now on. */
export function arrange({ searchParams }: URL): Response {
  aheadMs = Number(searchParams.get('aheadMs') ?? aheadMs)
  lagMs = Number(searchParams.get('lagMs') ?? lagMs)
  isFailing = (searchParams.get('isFailing') ?? String(isFailing)) === 'true'
  return new Response(null, { status: 204 })
}

function lagging(name: string, store: Store): Store {
  const versionsOf = async (key: string): Promise<Version[]> =>
    ((await store.get(`written ${key}`, 'json')) as Version[] | null) ?? []
  const seen = async (key: string): Promise<unknown> => {
    const newest = (await versionsOf(key)).findLast(({ atMs }) => Date.now() - atMs >= lagMs)
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
      const versions = [...(await versionsOf(key)), { text, atMs: Date.now() }]
      await store.put(`written ${key}`, JSON.stringify(versions.slice(-VERSIONS_MAX)))
    },
  }
}
