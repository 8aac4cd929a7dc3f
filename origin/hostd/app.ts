/** The host's contract (shared/contracts/host.ts), route by route: parse, call, translate. */
import type { HttpBindings } from '@hono/node-server'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { type Context, Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import {
  consoleQuery,
  createVmBody,
  GUEST_METHODS,
  HOST_ROUTES,
  hostExec,
  portSchema,
  vmDeadlines,
} from '../../shared/contracts/host.ts'
import { AppError } from '../../shared/errors.ts'
import type { Frame } from '../../shared/frames.ts'
import { LIMITS } from '../../shared/limits.ts'
import { capacityOf } from './capacity/report.ts'
import { addEgressRoutes } from './egress-routes.ts'
import type { Host } from './host.ts'
import { answerError, asAppError } from './http/answer-error.ts'
import { callOf, carryCall } from './http/carry-call.ts'
import { carryTunnel } from './http/carry-tunnel.ts'
import { sendFrames } from './http/send-frames.ts'
import { describe } from './log.ts'
import { addSnapshotRoutes } from './snapshot-routes.ts'
import { callGuest } from './vm/call-guest.ts'
import { createVm } from './vm/create-vm.ts'
import { destroyVm } from './vm/destroy.ts'
import { execInVm } from './vm/exec.ts'
import { consoleOf, inventoryOf, statsOf } from './vm/inspect.ts'
import { pauseVm, resumeVm } from './vm/pause.ts'
import { setDeadlines } from './vm/set-deadlines.ts'
import { tunnelToVm } from './vm/tunnel.ts'

type Env = { Bindings: HttpBindings }

export function buildApp(host: Host): Hono<Env> {
  const app = new Hono<Env>()
  const noteRefusal = (error: unknown): void => host.metrics.refusals.inc({ code: asAppError(error).code })
  const refuse = (error: unknown): Response => {
    noteRefusal(error)
    return answerError(error, host.log)
  }
  // Before the bound on bodies, because what goes through a tunnel or to the agent has none.
  app.post(HOST_ROUTES.tunnel.path, async (c) => {
    const { incoming, outgoing } = c.env
    const left = callerOf(outgoing)
    const port = portSchema.parse(c.req.param('port'))
    await carryTunnel(incoming, outgoing, await tunnelToVm(host, c.req.param('id'), port, left))
    return RESPONSE_ALREADY_SENT
  })
  app.on([...GUEST_METHODS], HOST_ROUTES.guest.path, async (c) => {
    const { incoming, outgoing } = c.env
    const { isWork, ...call } = callOf(incoming)
    const left = callerOf(outgoing)
    await carryCall(incoming, outgoing, await callGuest(host, c.req.param('id') ?? '', call, { isWork, caller: left }))
    return RESPONSE_ALREADY_SENT
  })
  app.use(bodyLimit({ maxSize: LIMITS.bodyBytesMax, onError: () => refuse(tooLarge()) }))
  app.onError(refuse)
  app.notFound(() => refuse(new AppError('route_not_found', 'There is no such route.')))

  const frames = async (c: Context<Env>, start: (signal: AbortSignal) => AsyncGenerator<Frame>): Promise<Response> => {
    await sendFrames(c.env.outgoing, start(callerOf(c.env.outgoing)), (error) => {
      noteRefusal(error)
      host.log('stream-failed', describe(error))
    })
    return RESPONSE_ALREADY_SENT
  }

  app.post(HOST_ROUTES.create.path, async (c) => {
    const body = createVmBody.parse(await c.req.json())
    return frames(c, (signal) => createVm(host, body, signal))
  })
  app.get(HOST_ROUTES.list.path, (c) => c.json(inventoryOf(host)))
  app.post(HOST_ROUTES.exec.path, async (c) => {
    const exec = hostExec.parse(await c.req.json())
    return frames(c, (signal) => execInVm(host, c.req.param('id'), exec, signal))
  })
  app.post(HOST_ROUTES.pause.path, async (c) => c.json(await pauseVm(host, c.req.param('id'))))
  app.post(HOST_ROUTES.resume.path, async (c) => {
    const deadlines = vmDeadlines.parse(await c.req.json())
    return c.json(await resumeVm(host, c.req.param('id'), deadlines))
  })
  app.post(HOST_ROUTES.deadlines.path, async (c) => {
    const deadlines = vmDeadlines.parse(await c.req.json())
    return c.json(await setDeadlines(host, c.req.param('id'), deadlines))
  })
  app.get(HOST_ROUTES.stats.path, async (c) => c.json(await statsOf(host, c.req.param('id'))))
  app.get(HOST_ROUTES.console.path, async (c) =>
    c.json(await consoleOf(host, c.req.param('id'), consoleQuery.parse(c.req.query()))),
  )
  app.delete(HOST_ROUTES.destroy.path, async (c) => {
    await destroyVm(host, c.req.param('id'))
    return c.body(null, 204)
  })
  app.get(HOST_ROUTES.capacity.path, (c) => c.json(capacityOf(host)))
  app.get('/metrics', async (c) => {
    const { registry } = host.metrics
    return c.body(await registry.metrics(), 200, { 'content-type': registry.contentType })
  })
  addSnapshotRoutes(app, host)
  addEgressRoutes(app, host)
  return app
}

/** Aborts when whoever asked has gone, or has the whole answer. */
function callerOf(outgoing: HttpBindings['outgoing']): AbortSignal {
  const left = new AbortController()
  outgoing.once('close', () => left.abort(new AppError('internal', 'The caller went away.')))
  return left.signal
}

const tooLarge = (): AppError => new AppError('body_too_large', `A body is at most ${LIMITS.bodyBytesMax} bytes.`)
