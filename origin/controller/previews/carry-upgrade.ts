/**
 * Carries a WebSocket of a visitor to the server in a sandbox: bytes both ways, until either ends it. When the sandbox or this process
 * goes away in the middle, the visitor is told to come back (close code 1012) instead of being left with a cut.
 */
import { type IncomingMessage, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Controller } from '../controller.ts'
import { arrive } from '../http/arrival.ts'
import { refuseVisitor } from './answer-visitor.ts'
import { type Answered, answerOf, askSandbox } from './ask-sandbox.ts'
import { pour } from './carry-visit.ts'
import { enterVisit, type Visit } from './enter-visit.ts'
import { closeFrame, followFrames } from './frame-boundary.ts'
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
    visitor.end(headText(status, undefined, [...Object.entries(headers).flat(), 'connection', 'close']) + body)
    log('info', 'preview.socket_refused', { request: arrival.requestId, code: arrival.failure?.code })
  }
}

async function carry(controller: Controller, upgrading: Upgrading, stopping: AbortSignal): Promise<void> {
  const { incoming, visitor } = upgrading
  const left = new AbortController()
  visitor.once('close', () => left.abort(new Error('The visitor is gone.')))
  const visit = await enterVisit(controller, arrive(incoming))
  try {
    await carryInto(controller, visit, upgrading, { stopping, left: left.signal })
  } finally {
    visit.leave()
  }
}

type Ends = { stopping: AbortSignal; left: AbortSignal }

async function carryInto(
  controller: Controller,
  { row, pass }: Visit,
  upgrading: Upgrading,
  ends: Ends,
): Promise<void> {
  const { incoming, visitor } = upgrading
  const tunnel = await openPort(controller, { row, port: pass.port }, ends.left)
  const asked = askSandbox(incoming, pass, tunnel)
  asked.end()
  const { response, socket, head } = await answerOf(asked, pass.port)
  if (socket !== undefined) return join(upgrading, { response, socket, head: head ?? new Uint8Array(0) }, ends.stopping)
  // The server would not switch: what it says instead is an ordinary answer.
  const headers = [...headersToVisitor(response.rawHeaders), 'connection', 'close']
  visitor.write(headText(response.statusCode ?? 0, response.statusMessage, headers))
  await pour(response, visitor)
}

type Switched = Required<Omit<Answered, 'head'>> & { head: Uint8Array }

function join({ visitor, head: fromVisitor }: Upgrading, switched: Switched, stopping: AbortSignal): Promise<void> {
  const { response, socket: server, head } = switched
  const frames = followFrames()
  const { promise, resolve } = Promise.withResolvers<void>()
  const say = (bytes: Uint8Array): boolean => {
    frames.pass(bytes)
    return visitor.write(bytes)
  }
  const cut = (): void => {
    server.destroy()
    if (frames.isOpen()) visitor.end(COME_BACK)
    else visitor.destroy()
  }
  stopping.addEventListener('abort', cut, { once: true })
  server.on('error', cut)
  server.once('end', () => (frames.isOpen() ? cut() : visitor.end()))
  server.once('close', resolve)
  visitor.once('close', () => {
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
  return promise
}

function headText(status: number, words: string | undefined, headers: readonly string[]): string {
  const lines = [`HTTP/1.1 ${status} ${words ?? STATUS_CODES[status] ?? ''}`]
  for (let at = 0; at + 1 < headers.length; at += 2) lines.push(`${headers[at]}: ${headers[at + 1]}`)
  return `${lines.join('\r\n')}\r\n\r\n`
}
