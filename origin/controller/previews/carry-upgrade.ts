/**
 * Carries a WebSocket of a visitor to the server in a sandbox: bytes both ways, until either ends it. When the sandbox or this process
 * goes away in the middle, the visitor is told to come back (close code 1012) instead of being left with a cut.
 */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Controller } from '../controller.ts'
import { arrive } from '../http/arrival.ts'
import { headText } from '../http/head-text.ts'
import { refuseVisitor } from './answer-visitor.ts'
import { askSandbox, type Switched, upgradeOf } from './ask-sandbox.ts'
import { pour } from './carry-visit.ts'
import { enterVisit, type Visit } from './enter-visit.ts'
import { closeFrame, followFrames } from './frame-boundary.ts'
import { closingOf, leavingOf, sayLast } from './leaving.ts'
import { openPort } from './open-port.ts'
import { headersToVisitor, upgradeHeadersToVisitor } from './sandbox-headers.ts'

const SERVICE_RESTART = 1012
const COME_BACK = closeFrame(SERVICE_RESTART, 'The sandbox went away; connect again.')

export type Upgrading = { incoming: IncomingMessage; visitor: Duplex; head: Uint8Array }

/** Aborting `stopping` tells the visitor to come back. Never rejects. */
export async function carryUpgrade(controller: Controller, upgrading: Upgrading, stopping: AbortSignal): Promise<void> {
  const { incoming, visitor } = upgrading
  const arrival = arrive(incoming)
  const { log } = controller
  visitor.on('error', () => {})
  try {
    await carry(controller, upgrading, stopping)
    log('info', 'preview.socket_ended', { request: arrival.requestId, tenant: arrival.caller?.tenant })
  } catch (thrown) {
    const { status, headers, body } = refuseVisitor(arrival, thrown)
    sayLast(visitor, headText(status, undefined, [...Object.entries(headers).flat(), 'connection', 'close']) + body)
    log('info', 'preview.socket_refused', { request: arrival.requestId, code: arrival.failure?.code })
  }
}

async function carry(controller: Controller, upgrading: Upgrading, stopping: AbortSignal): Promise<void> {
  const visit = await enterVisit(controller, arrive(upgrading.incoming))
  try {
    await carryInto(controller, visit, upgrading, stopping)
  } finally {
    visit.leave()
  }
}

async function carryInto(
  controller: Controller,
  { row, pass }: Visit,
  upgrading: Upgrading,
  stopping: AbortSignal,
): Promise<void> {
  const { incoming, visitor } = upgrading
  // A server that never answers must not hold up a stop.
  const over = AbortSignal.any([leavingOf(visitor), stopping])
  const asked = askSandbox(incoming, pass, await openPort(controller, { row, port: pass.port }, over))
  asked.end()
  const answered = await upgradeOf(asked, pass.port)
  if (answered.kind === 'switched') return join(upgrading, answered, stopping)
  // The server would not switch: what it says instead is an ordinary answer.
  const { response } = answered
  const headers = [...headersToVisitor(response.rawHeaders), 'connection', 'close']
  visitor.write(headText(response.statusCode ?? 0, response.statusMessage, headers))
  response.once('end', () => sayLast(visitor, ''))
  await pour(response, visitor)
}

function join({ visitor, head: fromVisitor }: Upgrading, switched: Switched, stopping: AbortSignal): Promise<void> {
  const { response, socket: server, head } = switched
  const frames = followFrames()
  const say = (bytes: Uint8Array): boolean => {
    frames.pass(bytes)
    return visitor.write(bytes)
  }
  let isCut = false
  const cut = (): void => {
    if (isCut) return
    isCut = true
    server.destroy()
    if (frames.isOpen()) sayLast(visitor, COME_BACK)
    else visitor.destroy()
  }
  stopping.addEventListener('abort', cut, { once: true })
  server.on('error', cut)
  server.once('end', () => (frames.isOpen() ? cut() : sayLast(visitor, '')))
  void closingOf(visitor).then(() => {
    stopping.removeEventListener('abort', cut)
    server.destroy()
  })
  visitor.write(headText(101, response.statusMessage, upgradeHeadersToVisitor(response.rawHeaders)))
  if (head.length > 0) say(head)
  if (fromVisitor.length > 0) server.write(fromVisitor)
  visitor.pipe(server)
  server.on('data', (bytes: Uint8Array) => {
    if (say(bytes)) return
    server.pause()
    visitor.once('drain', () => server.resume())
  })
  if (stopping.aborted) cut()
  return closingOf(server)
}
