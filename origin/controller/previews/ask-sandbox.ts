/** One HTTP request to the server in a sandbox, over a connection of its own. What it answers is a stranger's: parsed strictly, and bounded. */
import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { type PassClaims, PREVIEW_PASS } from '../../../shared/preview-words.ts'
import { framingOf, headersToSandbox } from './sandbox-headers.ts'

/** What a Worker can pass on. */
const [STATUS_MIN, STATUS_MAX] = [200, 599]

/** The visitor's own path, byte for byte, behind where the edge has put it. */
export function pathOf(pathAndQuery: string, { sandbox, port }: PassClaims): string {
  const path = pathAndQuery.slice(`${PREVIEW_PASS.path}/${sandbox}/${port}`.length)
  return path.startsWith('/') ? path : `/${path}`
}

/** Begins the request; the body is the caller's to send. */
export const askSandbox = (incoming: IncomingMessage, pass: PassClaims, socket: Duplex): ClientRequest =>
  httpRequest({
    method: pass.method,
    path: pathOf(incoming.url ?? '/', pass),
    headers: headersToSandbox(incoming.rawHeaders, pass, framingOf(incoming.headers)),
    createConnection: () => socket,
    maxHeaderSize: LIMITS.previewHeaderBytesMax,
    joinDuplicateHeaders: false,
  })

/** The head of the answer. Throws port_no_answer, also when the server switches to a protocol for which nobody asked. */
export function answerOf(asked: ClientRequest, port: number): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    asked.once('response', (response) => {
      const status = response.statusCode ?? 0
      if (status >= STATUS_MIN && status <= STATUS_MAX) return resolve(response)
      asked.destroy()
      reject(noAnswer(port, `status ${status}`))
    })
    asked.on('error', (cause) => reject(noAnswer(port, undefined, cause)))
    asked.once('close', () => reject(noAnswer(port)))
  })
}

/** A connection on which another protocol is spoken from now on; `head` are its first bytes. */
export type Switched = { kind: 'switched'; response: IncomingMessage; socket: Duplex; head: Buffer }

/** The connection, for a request that asked to switch it; or what the server says instead. Throws likewise. */
export function upgradeOf(
  asked: ClientRequest,
  port: number,
): Promise<Switched | { kind: 'answered'; response: IncomingMessage }> {
  const switched = new Promise<Switched>((resolve) => {
    asked.once('upgrade', (response, socket, head) => resolve({ kind: 'switched', response, socket, head }))
  })
  const answered = answerOf(asked, port).then((response) => ({ kind: 'answered' as const, response }))
  return Promise.race([switched, answered])
}

const noAnswer = (port: number, detail?: string, cause?: unknown): AppError =>
  new AppError('port_no_answer', `The server on port ${port} of the sandbox gave no answer that is one of HTTP.`, {
    ...(detail === undefined ? {} : { detail }),
    cause,
  })
