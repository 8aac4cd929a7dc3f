/**
 * A client of the wire contract as those in the field behave: it repeats what fails, unwraps `data`, reads nothing beside it, refuses by
 * what it remembers of a sandbox, and takes from a stream only lines of data. It knows nothing of Atoll but a base URL and a key.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import * as z from 'zod'

export class WireError extends Error {
  readonly status: number
  readonly code: string
  readonly requestId: string | null
  constructor(status: number, code: string, message: string, requestId: string | null) {
    super(message)
    this.status = status
    this.code = code
    this.requestId = requestId
  }
}

const RETRIED: ReadonlySet<number> = new Set([429, 500, 502, 503, 504])
const RETRIES_MAX = 3
const TIMEOUT_MS = 30_000

const errorSchema = z.object({
  error: z.object({ code: z.string(), message: z.string() }),
  request_id: z.string(),
})
const recordSchema = z.looseObject({ id: z.string(), state: z.string(), persistent: z.boolean() })
export type WireRecord = z.infer<typeof recordSchema>

type Request = { body?: unknown; idempotencyKey?: string }

export type WireClient = ReturnType<typeof wireClient>

/** `base` has the prefix of the API, and may end in a slash. */
export function wireClient(base: string, key: string) {
  const root = base.replace(/\/$/, '')
  const headersOf = (accept: string): Record<string, string> => ({
    accept,
    authorization: `Bearer ${key}`,
    'user-agent': '@miosa/sdk/2.0.7',
    'x-miosa-tenant': 'a-tenant',
  })

  async function send(method: string, path: string, { body, idempotencyKey }: Request): Promise<Response> {
    for (let tries = 0; ; tries++) {
      const response = await fetch(root + path, {
        method,
        headers: {
          ...headersOf('application/json'),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(TIMEOUT_MS),
      })
      if (!RETRIED.has(response.status) || tries === RETRIES_MAX) return response
      const after = response.headers.get('retry-after')
      await response.body?.cancel()
      await sleep(after === null ? 500 * 2 ** tries : Number(after) * 1_000)
    }
  }

  /** What is in `data` when there is such a key, else the whole; undefined for an empty 204. Throws WireError. */
  async function ask(method: string, path: string, request: Request = {}): Promise<unknown> {
    const response = await send(method, path, request)
    if (response.status === 204) return undefined
    const whole: unknown = await response.json()
    if (!response.ok) throw errorOf(response, whole)
    return typeof whole === 'object' && whole !== null && 'data' in whole ? whole.data : whole
  }

  /** The whole body, as it is handed on. */
  async function askRaw(method: string, path: string): Promise<unknown> {
    return (await send(method, path, {})).json()
  }

  /** Each line of data by itself; what is no JSON is passed over, and so is every other line. */
  async function* follow(path: string, headers: Record<string, string> = {}): AsyncGenerator<Record<string, unknown>> {
    for await (const line of linesOf(path, headers)) {
      if (line.startsWith('data:')) yield JSON.parse(line.slice('data:'.length)) as Record<string, unknown>
    }
  }

  async function* linesOf(path: string, headers: Record<string, string>): AsyncGenerator<string> {
    const leaving = new AbortController()
    const response = await fetch(root + path, {
      headers: { ...headersOf('text/event-stream'), ...headers },
      signal: leaving.signal,
    })
    if (!response.ok || response.body === null) throw errorOf(response, await response.json())
    try {
      let rest = ''
      for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
        const lines = (rest + text).split('\n')
        rest = lines.pop() ?? ''
        yield* lines
      }
    } finally {
      leaving.abort()
    }
  }

  const sandbox = (first: unknown) => {
    let record = recordSchema.parse(first)
    const remember = (next: unknown): WireRecord => {
      record = recordSchema.parse(next)
      return record
    }
    const path = `/sandboxes/${record.id}`
    const mustRun = (): void => {
      if (record.state === 'running' || (record.state === 'paused' && record.persistent)) return
      throw new Error(`The client itself refuses: the sandbox is ${record.state}.`)
    }
    return {
      id: record.id,
      record: () => record,
      refresh: async () => remember(await ask('GET', path)),
      update: async (changes: object) => remember(await ask('PATCH', path, { body: changes })),
      setTags: async (tags: string[]) => remember(await ask('PATCH', `${path}/tags`, { body: { tags } })),
      pause: async () => remember(await ask('POST', `${path}/pause`, { body: {} })),
      resume: async (idempotencyKey?: string) =>
        remember(
          await ask('POST', `${path}/resume`, {
            body: {},
            ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
          }),
        ),
      extend: async (seconds?: number) =>
        remember(await ask('POST', `${path}/extend`, { body: seconds === undefined ? {} : { timeout_sec: seconds } })),
      destroy: () => ask('DELETE', path),
      read: (what: string) => ask('GET', `${path}/${what}`),
      events: (lastId?: string) => follow(`${path}/events`, lastId === undefined ? {} : { 'last-event-id': lastId }),
      async exec(command: string): Promise<unknown> {
        mustRun()
        return ask('POST', `${path}/exec`, { body: { command, cwd: '/workspace', timeout: 60 } })
      },
      /** Only the names of the events count. */
      async waitUntilReady(): Promise<boolean> {
        for await (const line of linesOf(`${path}/readiness/stream`, {})) {
          if (line === 'event: ready') return true
          if (line === 'event: timeout') return false
        }
        throw new Error('The stream ended without a word.')
      },
    }
  }

  return {
    ask,
    askRaw,
    follow,
    list: async (query = '') => z.array(recordSchema).parse(await ask('GET', `/sandboxes${query}`)),
    create: async (options: object = {}, idempotencyKey?: string) =>
      sandbox(
        await ask('POST', '/sandboxes', {
          body: { template_id: 'miosa-sandbox', ...options },
          ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
        }),
      ),
    connect: async (id: string) => sandbox(await ask('GET', `/sandboxes/${id}`)),
    /** As it is done in the field: whatever is not a 404 is no reason to create. */
    async getOrCreate(name: string) {
      try {
        return sandbox(await ask('GET', `/sandboxes/by-name/${encodeURIComponent(name)}`))
      } catch (thrown) {
        if (!(thrown instanceof WireError) || thrown.status !== 404) throw thrown
        return sandbox(await ask('POST', '/sandboxes', { body: { template_id: 'miosa-sandbox', name } }))
      }
    },
  }
}

function errorOf({ status, headers }: Response, whole: unknown): WireError {
  const { error, request_id } = errorSchema.parse(whole)
  return new WireError(status, error.code, error.message, headers.get('x-request-id') ?? request_id)
}
