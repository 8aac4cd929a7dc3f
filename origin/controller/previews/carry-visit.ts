/** Carries one request of a visitor to the server in a sandbox, and its answer back, neither faster than it is taken. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Writable } from 'node:stream'
import type { PassClaims } from '../../../shared/preview-words.ts'
import type { Controller } from '../controller.ts'
import type { SandboxRow } from '../database/schema/sandboxes.ts'
import { answerOf, askSandbox } from './ask-sandbox.ts'
import { closingOf, leavingOf } from './leaving.ts'
import { openPort } from './open-port.ts'
import { headersToVisitor } from './sandbox-headers.ts'

export type Exchange = { incoming: IncomingMessage; outgoing: ServerResponse }

/**
 * Throws what the visitor should hear, as long as nothing of an answer has gone out. Afterwards an answer that breaks off breaks off
 * for the visitor, too: it is never ended as if it were whole.
 */
export async function carryVisit(
  controller: Controller,
  row: SandboxRow,
  pass: PassClaims,
  { incoming, outgoing }: Exchange,
): Promise<void> {
  const socket = await openPort(controller, { row, port: pass.port }, leavingOf(outgoing))
  const asked = askSandbox(incoming, pass, socket)
  // A server may answer without hearing everything; what it does not hear is no failure.
  incoming.pipe(asked)
  const response = await answerOf(asked, pass.port)
  outgoing.writeHead(response.statusCode ?? 0, response.statusMessage ?? '', headersToVisitor(response.rawHeaders))
  outgoing.flushHeaders()
  await pour(response, outgoing)
}

/** Resolves when everything has gone out, or nothing more can. */
export async function pour(answer: IncomingMessage, into: Writable): Promise<void> {
  const closed = closingOf(into)
  if (into.closed) answer.destroy()
  else answer.once('error', () => into.destroy()).pipe(into)
  await closed
}
