/** Everything this server answers. `/api/v1/...` is the same as `/v1/...`. */
import { Hono } from 'hono'
import type { Route } from '../../shared/contracts/route.ts'
import type { Principal } from './accounts/principal.ts'
import type { Controller } from './controller.ts'
import { servePodflareFiles } from './doors/podflare/file-routes.ts'
import { servePodflare, servePodflareHealth } from './doors/podflare/routes.ts'
import { serveAccountFeed } from './http/account-feed-routes.ts'
import { serveAccounts } from './http/account-routes.ts'
import { answerError } from './http/answer-error.ts'
import { arrive } from './http/arrival.ts'
import { type Credentials, internalDoor, operatorDoor } from './http/authenticate.ts'
import { serveCatalog } from './http/catalog-routes.ts'
import { serveCode } from './http/code-routes.ts'
import { docs, openApi } from './http/document-routes.ts'
import { serveEgressAudit } from './http/egress-audit-routes.ts'
import { serveEgress } from './http/egress-routes.ts'
import { serveEgressSecrets } from './http/egress-secret-routes.ts'
import { serveEnv } from './http/env-routes.ts'
import { serveEvents } from './http/event-routes.ts'
import { serveExports } from './http/export-routes.ts'
import { serveFiles } from './http/file-routes.ts'
import { serveFileSystem } from './http/fs-routes.ts'
import { serveHosts } from './http/host-routes.ts'
import { serveInspection } from './http/inspection-routes.ts'
import { serveKeys } from './http/key-routes.ts'
import { serveOperators } from './http/operator-routes.ts'
import { serveOrphans } from './http/orphan-routes.ts'
import { servePreviews } from './http/preview-routes.ts'
import { serveVisits } from './http/preview-visits.ts'
import { serveProcesses } from './http/process-routes.ts'
import { serveFences, serveQuota } from './http/quota-routes.ts'
import { serveSandboxes } from './http/sandbox-routes.ts'
import { type Door, type Env, type Serve, serveRoute } from './http/serve-route.ts'
import { serveSnapshots } from './http/snapshot-routes.ts'
import { serveSpaces } from './http/space-routes.ts'
import { capacity, healthz, methodNotAllowed, metrics, preflight, readyz, routeNotFound } from './http/system-routes.ts'
import { serveTemplates } from './http/template-routes.ts'
import { serveTerminals } from './http/terminal-routes.ts'
import { serveTokens } from './http/token-routes.ts'
import { serveRates, serveUsage } from './http/usage-routes.ts'
import { serveWebhooks } from './http/webhook-routes.ts'

const PREFIXES = ['', '/api']

export function createApp(controller: Controller, credentials: Credentials, tenants: Door<Principal>): Hono<Env> {
  const app = new Hono<Env>()
  const served: Route[] = []
  /** Everything that one kind of caller may ask, each route with what answers it. */
  const behind =
    <Who>(door: Door<Who>): Serve<Who> =>
    (route, handler) => {
      const adapted = serveRoute(controller, door, route, handler)
      for (const prefix of PREFIXES) app.on(route.method, prefix + route.path, adapted)
      served.push(route)
    }
  const serve = behind(tenants)
  const serveInternal = behind(internalDoor(credentials))
  const serveOperator = behind(operatorDoor(credentials))
  const serveAnyone = behind<null>(async () => ({ who: null, claims: undefined }))

  serveVisits(app, controller)
  serveProcesses(serve)
  serveEnv(serve)
  serveSandboxes(serve)
  serveSnapshots(serve)
  serveSpaces(serve)
  serveOrphans(serveInternal)
  servePodflare(serve)
  servePodflareFiles(serve)
  servePodflareHealth(serveAnyone)

  serveKeys(serve)
  serveAccounts(serve)
  serveTokens(serve)
  serveOperators(serveOperator)
  serveAccountFeed(serveInternal)
  serveQuota(serveInternal)
  serveFences(serveOperator)
  serveInspection(serve)
  servePreviews(serve)
  serveTerminals(serve)
  serveFiles(serve)
  serveExports(serve)
  serveFileSystem(serve)
  serveCode(serve)
  serveUsage(serve)
  serveEvents(serve)
  serveWebhooks(serve)
  serveTemplates(serve)
  serveEgress(serve)
  serveEgressSecrets(serve)
  serveEgressAudit(serve)
  serveCatalog(serve)
  serveRates(serveOperator)
  serveHosts(serve, serveOperator, serveAnyone)

  const capacities = PREFIXES.map((prefix) => `${prefix}/v1/capacity`)
  for (const path of capacities) app.get(path, capacity(controller, credentials))
  app.get('/healthz', healthz(controller))
  app.get('/readyz', readyz(controller))
  app.get('/metrics', metrics(controller, credentials))
  for (const prefix of PREFIXES) app.get(`${prefix}/v1/openapi.json`, openApi(controller))
  for (const path of ['/docs', '/docs/*']) app.get(path, docs(controller))
  app.options('*', preflight(controller))

  for (const [path, methods] of methodsByPath(served))
    for (const prefix of PREFIXES) app.all(prefix + path, methodNotAllowed(controller, methods))
  for (const path of [...capacities, '/healthz', '/readyz', '/metrics'])
    app.all(path, methodNotAllowed(controller, ['GET', 'HEAD']))
  app.notFound(routeNotFound(controller))
  app.onError((thrown, c) => answerError(controller, arrive(c.env.incoming), thrown))
  return app
}

/** Whatever answers GET answers HEAD, too. */
function methodsByPath(routes: Route[]): Map<string, string[]> {
  const methods = new Map<string, string[]>()
  for (const { path, method } of routes)
    methods.set(path, [...(methods.get(path) ?? []), method, ...(method === 'GET' ? ['HEAD'] : [])])
  return methods
}
