/** One request for a route, naming these things wherever the route can name one. A route that this does not know is an error. */
import type { Route } from '../../../../shared/contracts/route.ts'
import type { TestRegion } from '../support/region.ts'
import type { Things } from './plant.ts'

export type Heard = { said: string; status: number; code: string; text: string }

/** What a parameter means, by the beginning of the path that it stands in. */
const NAMED: [path: RegExp, parameter: string, thing: keyof Things][] = [
  [/^(\/podflare)?\/v1\/sandboxes\//, 'id', 'sandbox'],
  [/^\/v1\/sandboxes\/by-name\//, 'name', 'sandboxName'],
  [/^\/v1\/api-keys\//, 'id', 'key'],
  [/^\/v1\/workspaces\//, 'id', 'workspace'],
  [/^\/v1\/quotas\/external\//, 'user', 'externalUser'],
  [/^\/v1\/hosts\//, 'id', 'host'],
  [/^\/v1\/webhooks\//, 'id', 'webhook'],
  [/^\/v1\/webhooks\//, 'delivery', 'delivery'],
  [/^\/v1\/sandboxes\/:id\/previews\//, 'preview', 'preview'],
  // Those of a sandbox are named by its agent, which nobody else reaches.
  [/^\/v1\/sandboxes\/:id\/processes\//, 'pid', 'process'],
  [/^\/v1\/sandboxes\/:id\/env\//, 'key', 'variable'],
  [/^\/v1\/sandboxes\/:id\/(snapshots|restore)\//, 'snapshot', 'snapshot'],
  [/^\/podflare\/v1\/sandboxes\/:id\/merge_into\//, 'winner', 'sandbox'],
  [/^\/v1\/sandboxes\/:id\/files\//, 'path', 'file'],
  [/^\/v1\/snapshots\//, 'id', 'snapshot'],
  [/^\/v1\/spaces\//, 'id', 'space'],
  [/^\/v1\/egress\/policies\//, 'id', 'policy'],
  [/^\/v1\/egress\/allowlist\//, 'id', 'rule'],
  [/^\/v1\/egress\/secrets\//, 'id', 'secret'],
  [/^\/v1\/egress\/bindings\//, 'id', 'binding'],
  [/^\/v1\/egress\/audit\//, 'id', 'auditEntry'],
  [/^\/v1\/sandboxes\/:id\/shares\//, 'share', 'share'],
  [/^\/v1\/sandboxes\/:id\/terminal\//, 'session', 'terminal'],
  [/^\/v1\/sandboxes\/:id\/code\/contexts\//, 'context', 'context'],
  [/^\/v1\/sandbox-templates\//, 'id', 'template'],
  [/^\/v1\/sandbox-template-builds\//, 'id', 'build'],
]

const CREATE = (things: Things) => ({ workspace_id: things.workspace })
const SCOPES = ['sandboxes:read']

/** The body of each route that takes one. */
const BODIES: Record<string, (things: Things) => object> = {
  'POST /v1/sandboxes': CREATE,
  'POST /v1/sandboxes/run': (things) => ({ ...CREATE(things), command: 'echo 1' }),
  'PATCH /v1/sandboxes/:id': () => ({ metadata: { taken: true } }),
  'PATCH /v1/sandboxes/:id/tags': () => ({ tags: ['taken'] }),
  'POST /v1/sandboxes/:id/extend': () => ({ timeout_sec: 4_000 }),
  'POST /v1/sandboxes/:id/exec': () => ({ command: 'echo 1' }),
  'POST /v1/sandboxes/:id/exec/stream': () => ({ command: 'echo 1' }),
  'POST /v1/sandboxes/:id/processes': () => ({ command: 'echo 1' }),
  'POST /v1/sandboxes/:id/processes/:pid/signal': () => ({ signal: 'SIGINT' }),
  'POST /v1/sandboxes/:id/processes/:pid/stdin': () => ({ data: 'taken' }),
  'PUT /v1/sandboxes/:id/env': () => ({ vars: [{ key: 'TAKEN', value: 'taken' }] }),
  'POST /v1/sandboxes/:id/template/start': () => ({}),
  'POST /v1/sandboxes/:id/expose': () => ({ port: 4_000 }),
  'POST /v1/sandboxes/:id/previews': () => ({ port: 4_000, visibility: 'public' }),
  'POST /v1/sandboxes/:id/previews/:preview/share': () => ({}),
  'POST /v1/sandboxes/:id/preview-token': () => ({}),
  'POST /v1/sandboxes/:id/shares': () => ({}),
  'POST /v1/sandboxes/:id/terminal': () => ({}),
  'POST /v1/sandboxes/:id/code': (things) => ({ code: '1', context_id: things.context }),
  'POST /v1/sandboxes/:id/code/contexts': () => ({}),
  'POST /v1/sandboxes/:id/snapshots': () => ({ comment: 'taken' }),
  'POST /v1/sandboxes/:id/restore/:snapshot': () => ({ into: 'new' }),
  'POST /v1/sandboxes/:id/fork': () => ({ count: 1 }),
  'POST /v1/sandboxes/:id/merge': (things) => ({ winner: things.sandbox }),
  'POST /podflare/v1/sandboxes/:id/diff': (things) => ({ other: things.sandbox }),
  'POST /v1/sandboxes/:id/files': (things) => ({ path: `/${things.file}`, content: '' }),
  'POST /v1/sandboxes/:id/files/stat': (things) => ({ path: `/${things.file}` }),
  'POST /v1/sandboxes/:id/files/write-many': (things) => ({ files: [{ path: `/${things.file}`, content: '' }] }),
  'POST /v1/sandboxes/:id/files/batch': (things) => ({ files: [{ path: `/${things.file}`, content: '' }] }),
  'POST /v1/sandboxes/:id/files/mkdir': (things) => ({ path: `/${things.file}` }),
  'POST /v1/sandboxes/:id/files/move': (things) => ({ from: `/${things.file}`, to: '/taken' }),
  'POST /v1/sandboxes/:id/files/copy': (things) => ({ from: `/${things.file}`, to: '/taken' }),
  'POST /v1/sandboxes/:id/files/chmod': (things) => ({ path: `/${things.file}`, mode: '0777' }),
  'POST /v1/sandboxes/:id/files/sign': (things) => ({ path: `/${things.file}` }),
  'POST /v1/sandboxes/:id/exports': (things) => ({ path: `/${things.file}` }),
  'POST /v1/sandboxes/:id/fs/write': (things) => ({ path: `/${things.file}`, content: '' }),
  'POST /v1/sandboxes/:id/fs/mkdir': (things) => ({ path: `/${things.file}` }),
  'POST /v1/snapshots/:id/fork': () => ({}),
  'PUT /v1/spaces/:id': () => ({ tags: ['taken'] }),
  'POST /podflare/v1/sandboxes': () => ({}),
  'POST /podflare/v1/sandboxes/:id/exec': () => ({ code: '1' }),
  'POST /podflare/v1/sandboxes/:id/fork': () => ({ n: 1 }),
  'POST /v1/api-keys': () => ({ scopes: SCOPES }),
  'POST /v1/api-keys/scoped': (things) => ({ scopes: SCOPES, external_user_id: things.externalUser }),
  'POST /v1/api-keys/:id/rotate': () => ({}),
  'POST /v1/workspaces': () => ({ name: 'mine', slug: `mine-${Math.random().toString(36).slice(2)}` }),
  'PATCH /v1/workspaces/:id': () => ({ name: 'taken' }),
  'PUT /v1/quotas/external/:user': () => ({ concurrency: 1 }),
  'POST /v1/tokens': (things) => ({
    scopes: SCOPES,
    sandbox_id: things.sandbox,
    external_user_id: things.externalUser,
  }),
  'POST /v1/auth/sse-ticket': (things) => ({ sandbox_id: things.sandbox }),
  'POST /v1/sse/ticket': (things) => ({ sandbox_id: things.sandbox }),
  'POST /v1/hosts/tokens': () => ({}),
  'POST /v1/sandbox-templates': () => ({ name: `mine ${Math.random().toString(36).slice(2)}` }),
  'POST /v1/sandbox-templates/validate': (things) => ({ build_spec: { from: things.templateName } }),
  'POST /v1/sandbox-templates/:id/builds': () => ({}),
  'POST /v1/webhooks': () => ({ url: 'http://127.0.0.1:9/mine', events: ['*'] }),
  'PATCH /v1/webhooks/:id': () => ({ active: false }),
  'POST /v1/egress/policies': (things) => ({ resource_id: things.sandbox }),
  'PATCH /v1/egress/policies': (things) => ({ mode: 'audit_only', resource_id: things.sandbox }),
  'PATCH /v1/egress/policies/:id': () => ({ mode: 'audit_only' }),
  'POST /v1/egress/allowlist': (things) => ({
    host: 'mine.example',
    effect: 'allow',
    policy_id: things.policy,
    resource_id: things.sandbox,
  }),
  'POST /v1/egress/secrets': (things) => ({ name: 'mine', value: 'mine', resource_id: things.sandbox }),
  'PATCH /v1/egress/secrets/:id': () => ({ value: 'taken' }),
  'POST /v1/egress/bindings': (things) => ({ secret_id: things.secret, resource_id: things.sandbox }),
  'POST /v1/egress/oauth/start': () => ({}),
}

/** The query of each route that takes one: every way in which it can name a thing. */
const QUERIES: Record<string, (things: Things) => Record<string, string>[]> = {
  'GET /v1/sandboxes': (things) => [
    {},
    { state: 'destroyed' },
    { page: '1', page_size: '10' },
    { workspace_id: things.workspace },
    { external_user_id: things.externalUser },
    { cursor: things.sandbox },
  ],
  'GET /v1/api-keys': (things) => [{}, { cursor: things.key }],
  'GET /v1/workspaces': (things) => [{}, { cursor: things.workspace }],
  'DELETE /v1/hosts/:id': () => [{}, { force: 'true' }],
  'GET /v1/snapshots': (things) => [
    {},
    { resource_id: things.sandbox },
    { q: things.snapshot },
    { cursor: things.snapshot },
  ],
  'GET /v1/spaces': (things) => [{}, { cursor: things.space }],
  'DELETE /v1/spaces/:id': () => [{}, { force: 'true' }],
  'GET /v1/sandboxes/:id/processes/:pid/logs': () => [{}],
  'GET /v1/sandboxes/:id/processes/:pid/stream': () => [{}, { cursor: '1.1.1' }],
  'GET /v1/sandboxes/:id/metrics': () => [{}],
  'GET /v1/sandboxes/:id/logs': () => [{}],
  'GET /v1/sandboxes/:id/logs/stream': () => [{}],
  'GET /v1/sandboxes/:id/terminal/:session/ws': () => [{}, { cursor: '0' }],
  'PUT /podflare/v1/sandboxes/:id/files': (things) => [{ path: `/${things.file}` }],
  'GET /podflare/v1/sandboxes/:id/files': (things) => [{ path: `/${things.file}` }],
  'GET /v1/sandboxes/:id/files': () => [{}],
  'GET /v1/sandboxes/:id/files/list': () => [{ path: '/workspace' }],
  'GET /v1/sandboxes/:id/files/tree': () => [{ path: '/workspace' }],
  'GET /v1/sandboxes/:id/files/search': (things) => [{ pattern: things.file }],
  'GET /v1/sandboxes/:id/files/watch': () => [{ path: '/workspace' }],
  'GET /v1/sandboxes/:id/files/read': (things) => [{ path: `/${things.file}` }],
  'GET /v1/sandboxes/:id/files/:path{[^]+}': () => [{}],
  'PUT /v1/sandboxes/:id/files/:path{[^]+}': () => [{}],
  'DELETE /v1/sandboxes/:id/files/:path{[^]+}': () => [{}],
  'GET /v1/sandboxes/:id/exports/download': (things) => [{ path: `/${things.file}` }],
  'GET /v1/sandboxes/:id/archive': (things) => [{ 'paths[]': `/${things.file}` }],
  'PUT /v1/sandboxes/:id/archive': () => [{}],
  'GET /v1/sandboxes/:id/fs/read': (things) => [{ path: `/${things.file}` }],
  'GET /v1/sandboxes/:id/fs': () => [{}],
  'DELETE /v1/sandboxes/:id/fs': (things) => [{ path: `/${things.file}` }],
  'GET /v1/usage': () => ['day', 'sandbox', 'workspace', 'external_user'].map((group_by) => ({ group_by })),
  'GET /v1/usage/summary': () => [{}],
  'GET /v1/usage/sessions': () => [{}],
  'GET /v1/credits/usage': () => [{}],
  'GET /v1/credits/transactions': () => [{}],
  'GET /v1/sandbox-templates': () => [{}],
  'GET /v1/sandbox-template-builds/:id/logs': () => [{}, { cursor: '1', limit: '1' }],
  'GET /v1/sandbox-template-builds/:id/logs/stream': () => [{}, { cursor: '1' }],
  'GET /v1/events/stream': (things) => [
    {},
    { sandbox_id: things.sandbox },
    { last_event_id: things.event },
    { sandbox_id: things.sandbox, last_event_id: things.event },
  ],
  'GET /v1/sandboxes/:id/events': (things) => [{}, { last_event_id: things.event }],
  'GET /v1/sandboxes/:id/history': () => [{}],
  'GET /v1/webhooks': (things) => [{}, { cursor: things.webhook }],
  'GET /v1/egress/policies': (things) => [{}, { resource_id: things.sandbox }, { cursor: things.policy }],
  'GET /v1/egress/allowlist': (things) => [{}, { resource_id: things.sandbox }, { cursor: things.rule }],
  'GET /v1/egress/secrets': (things) => [{}, { external_user_id: things.externalUser }, { cursor: things.secret }],
  'GET /v1/egress/bindings': (things) => [{}, { secret_id: things.secret }, { cursor: things.binding }],
  'GET /v1/egress/oauth/status': () => [{}],
  'GET /v1/egress/audit': (things) => [{}, { resource_id: things.sandbox }, { cursor: things.auditEntry }],
  'GET /v1/egress/audit/suggestions': (things) => [{}, { resource_id: things.sandbox }],
  'GET /v1/webhooks/:id/deliveries': (things) => [{}, { cursor: things.delivery }],
}

/** Long enough to be told of the past, were it told. */
const STREAM_MS = 150

export const nameOf = (route: Route): string => `${route.method} ${route.path}`

/** Every request that names these things. Throws for a route that takes a parameter, a body or a query and has no row above. */
export function requestsFor(route: Route, things: Things): { path: string; body: object | undefined }[] {
  const path = route.path.replace(/:([a-z_]+)(?:\{.*\})?/g, (_, parameter: string) => {
    const row = NAMED.find(([under, name]) => under.test(route.path) && name === parameter)
    if (row === undefined) throw new Error(`Say in NAMED what :${parameter} means in ${nameOf(route)}.`)
    return encodeURIComponent(things[row[2]])
  })
  const bodyOf = BODIES[nameOf(route)]
  if (route.body !== undefined && bodyOf === undefined) throw new Error(`Give ${nameOf(route)} a row in BODIES.`)
  const queries = QUERIES[nameOf(route)]
  if (route.query !== undefined && queries === undefined) throw new Error(`Give ${nameOf(route)} a row in QUERIES.`)
  return (queries?.(things) ?? [{}]).map((query) => {
    const search = new URLSearchParams(query).toString()
    return { path: search === '' ? path : `${path}?${search}`, body: bodyOf?.(things) }
  })
}

export async function askRoute(region: TestRegion, route: Route, things: Things, key: string | null): Promise<Heard[]> {
  const heard: Heard[] = []
  for (const { path, body } of requestsFor(route, things)) {
    const response = await fetch(region.url + path, {
      method: route.method,
      headers: key === null ? {} : { authorization: `Bearer ${key}` },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = response.headers.get('content-type')?.startsWith('text/event-stream')
      ? await readFor(response, STREAM_MS)
      : await response.text()
    const said = decodeURIComponent(path) + JSON.stringify(body ?? {})
    heard.push({ said, status: response.status, code: /"code": ?"([a-z_]+)"/.exec(text)?.[1] ?? '', text })
  }
  return heard
}

async function readFor({ body }: Response, ms: number): Promise<string> {
  const reader = body?.getReader()
  const timer = setTimeout(() => void reader?.cancel(), ms)
  let text = ''
  for (;;) {
    const part = await reader?.read()
    if (part === undefined || part.done) break
    text += Buffer.from(part.value).toString()
  }
  clearTimeout(timer)
  return text
}
