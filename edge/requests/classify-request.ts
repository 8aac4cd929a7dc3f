/**
 * What the edge must know of a request to route it: how it may be repeated, which scope it needs, and which region it names.
 *
 *   /r/eu/api/v1/sandboxes/sbx_eu1_...      prefix region, the same route as /v1, an id that says where
 *
 * Routes come from the contracts. A path that no contract knows is still forwarded: a region may be newer than the edge.
 */
import type { Scope } from '../../shared/accounts.ts'
import { ALL_ROUTES } from '../../shared/contracts/all-routes.ts'
import { CODE_ROUTES } from '../../shared/contracts/code.ts'
import { INSPECTION_ROUTES } from '../../shared/contracts/inspection.ts'
import { PODFLARE_ROUTES } from '../../shared/contracts/podflare.ts'
import { PROCESS_ROUTES } from '../../shared/contracts/processes.ts'
import type { Route, RouteClass } from '../../shared/contracts/route.ts'
import { SANDBOX_ROUTES } from '../../shared/contracts/sandboxes.ts'
import { ID_KINDS, parseId } from '../../shared/ids.ts'

/** `find` is a read by name: which region knows the name must be asked. */
export type CallClass = Exclude<RouteClass, 'open'> | 'find'

export type Call = {
  class: CallClass
  scope: Scope | null
  /** The body may say how long the command runs. */
  runsCommand: boolean
  /** The body passes through, however much of it there is. */
  isUpload: boolean
  /** Its region answers it once for an Idempotency-Key; any other request with one may be executed as often as it is sent. */
  isOnce: boolean
  /** Its region answers it from its database, without asking a machine. */
  readsRows: boolean
  /** What is forwarded: the path without a region prefix, and the query. */
  path: string
  search: string
  prefixRegion: string | null
  /** The region code inside the id of the path; `bad` when the id cannot be one of ours. */
  idRegion: { kind: 'none' } | { kind: 'code'; code: string } | { kind: 'bad'; id: string }
}

/** The first segments under which routes of ours, and of the doors beside them, may live. */
const ROOTS: ReadonlySet<string> = new Set(['v1', 'podflare', 'e2b'])
const RUNS_COMMAND: ReadonlySet<Route> = new Set<Route>([
  SANDBOX_ROUTES.run,
  SANDBOX_ROUTES.exec,
  PROCESS_ROUTES.execStream,
  CODE_ROUTES.run,
  PODFLARE_ROUTES.exec,
])
/** What looks at a machine from outside. Whatever needs the right to run something in one may have to wake it first. */
const LOOKS_AT_MACHINE: ReadonlySet<Route> = new Set<Route>(Object.values(INSPECTION_ROUTES))
const asksMachine = (route: Route): boolean => route.scope === 'sandboxes:exec' || LOOKS_AT_MACHINE.has(route)
const PREFIX = /^\/r\/([^/]+)(?=\/)/
const LOOKS_LIKE_ID = new RegExp(`^(${ID_KINDS.join('|')})_`)

const PARAMETER = /:[A-Za-z_]+/g
/** A last parameter that takes everything, slashes too. */
const REST = /:[A-Za-z_]+\{\[\^\]\+\}$/
const parametersOf = ({ path }: Route): number => path.match(PARAMETER)?.length ?? 0

/** A path has as many segments as its route, so that a request is compared with the few routes that it may be. */
const shapeOf = (method: string, path: string): string => `${method} ${path.replace(/\/$/, '').split('/').length}`

/** What names more is tried first: `/sandboxes/by-name/:name` before `/sandboxes/:id/exec` and its like. */
const PATTERNS = ALL_ROUTES.toSorted((one, other) => parametersOf(one) - parametersOf(other)).map((route) => ({
  route,
  isOpenEnded: REST.test(route.path),
  pattern: new RegExp(`^${route.path.replace(REST, '.+').replaceAll(PARAMETER, '[^/]+')}/?$`),
}))
const BY_SHAPE = Map.groupBy(
  PATTERNS.filter(({ isOpenEnded }) => !isOpenEnded),
  ({ route }) => shapeOf(route.method, route.path),
)
const OPEN_ENDED = Map.groupBy(
  PATTERNS.filter(({ isOpenEnded }) => isOpenEnded),
  ({ route }): string => route.method,
)

/** Null for a path under which no region has anything. */
export function classifyRequest(method: string, url: URL): Call | null {
  const prefix = PREFIX.exec(url.pathname)
  const path = url.pathname.slice(prefix?.[0].length ?? 0)
  const plain = path.replace(/^\/api(?=\/v1(\/|$))/, '')
  const segments = plain.split('/').slice(1).map(decoded)
  if (!ROOTS.has(segments[0] ?? '')) return null
  const route = routeOf(method, plain)
  const idRegion = regionOfId(wordsThatName(segments, url))
  return {
    class: classOf(method, route, segments, idRegion.kind),
    scope: route?.scope ?? null,
    runsCommand: route !== undefined && RUNS_COMMAND.has(route),
    isUpload: route?.upload === true,
    isOnce: route?.once === true,
    readsRows: route?.method === 'GET' && !asksMachine(route),
    path,
    search: url.search,
    prefixRegion: prefix?.[1] === undefined ? null : decoded(prefix[1]),
    idRegion,
  }
}

/** As a region's router decides: a route that names more comes before one that takes whatever is left. */
function routeOf(method: string, path: string): Route | undefined {
  const asked = method === 'HEAD' ? 'GET' : method
  const alike = [...(BY_SHAPE.get(shapeOf(asked, path)) ?? []), ...(OPEN_ENDED.get(asked) ?? [])]
  return alike.find(({ pattern }) => pattern.test(path))?.route
}

function classOf(
  method: string,
  route: Route | undefined,
  segments: readonly string[],
  id: Call['idRegion']['kind'],
): CallClass {
  const isRead = method === 'GET' || method === 'HEAD'
  if (isRead && id === 'none' && isByName(segments)) return 'find'
  // The head of a joined answer would have to be made from bodies that a HEAD does not bring.
  if ((route?.class === 'list' || route?.class === 'sum') && method === 'HEAD') return 'read'
  if (route !== undefined && route.class !== 'open') return route.class
  return isRead ? 'read' : 'change'
}

/** `/v1/sandboxes/NAME` and `/v1/sandboxes/by-name/NAME`. */
const isByName = (segments: readonly string[]): boolean =>
  segments[1] === 'sandboxes' && (segments.length === 3 || (segments[2] === 'by-name' && segments.length === 4))

/** Where an id may stand. Below a sandbox no deeper than this: what follows may be a file's name. */
function wordsThatName(segments: readonly string[], url: URL): string[] {
  // A stream of a tenant's is gone on with, or narrowed to one sandbox, where that is.
  if (segments[1] === 'events') return ['sandbox_id', 'last_event_id'].map((name) => url.searchParams.get(name) ?? '')
  return segments.slice(0, segments[1] === 'webhooks' ? 5 : 4)
}

/** The first word that has the shape of an id decides. */
function regionOfId(words: readonly string[]): Call['idRegion'] {
  const id = words.find((word) => LOOKS_LIKE_ID.test(word))
  if (id === undefined) return { kind: 'none' }
  const parsed = parseId(id)
  if (parsed !== null) return { kind: 'code', code: parsed.region }
  return id.startsWith('sbx_') ? { kind: 'bad', id } : { kind: 'none' }
}

function decoded(segment: string): string {
  if (!segment.includes('%')) return segment
  try {
    return decodeURIComponent(segment)
  } catch {
    return segment
  }
}
