/** A request of a sandbox goes to its host, and the answer comes back, both as streams. A half of something is never passed on as the whole. */
import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http'
import { askFor } from './ask-for.ts'
import { answerHeaders } from './headers.ts'
import { refuseRequest } from './refuse.ts'
import type { Upstream } from './upstream.ts'
import type { Visit, Ways } from './visit.ts'

/** Resolves when it is over, however it ended. */
export async function forward(
  ways: Ways,
  visit: Visit,
  { incoming, outgoing, agent }: { incoming: IncomingMessage; outgoing: ServerResponse; agent: Upstream['agent'] },
): Promise<void> {
  if (incoming.socket.destroyed) return
  const going = await askFor(ways, visit, incoming, { agent })
  if (going.kind === 'refused') return refuseRequest(outgoing, going.reason, visit.visitor)
  const { upstream, verdict, attempt, stillMay } = going
  const forget = visit.visitor.onChange(() => {
    if (!stillMay()) upstream.destroy(new Error('The policy changed.'))
  })
  attempt.count('up', incoming)
  incoming.pipe(upstream)
  outgoing.once('close', () => upstream.destroy())
  // Who left while the name was looked up is not heard to leave again.
  if (incoming.socket.destroyed) upstream.destroy()
  try {
    const answer = await headOf(upstream)
    attempt.count('down', answer)
    outgoing.writeHead(answer.statusCode ?? 502, answer.statusMessage, answerHeaders(answer.rawHeaders))
    if (await passOn(answer, outgoing)) attempt.end(verdict)
    else attempt.fail('broken')
  } catch {
    attempt.fail('unreachable')
    refuseRequest(outgoing, 'unreachable', visit.visitor)
  } finally {
    forget()
    upstream.destroy()
    // A host may answer without hearing everything; the rest would keep the connection from its next request.
    incoming.unpipe(upstream).resume()
  }
}

function headOf(upstream: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    upstream
      .once('response', resolve)
      .on('error', reject)
      .once('close', () => reject(new Error('It broke off.')))
  })
}

/**
 * Whether all of it came, and was handed over. Who has read the last byte often leaves at once, before the connection has said that it
 * took that byte: that is no broken answer.
 */
function passOn(answer: IncomingMessage, outgoing: ServerResponse): Promise<boolean> {
  return new Promise((resolve) => {
    answer
      .on('error', () => undefined)
      .once('close', () => {
        if (!answer.complete) outgoing.destroy()
      })
    outgoing
      .on('error', () => undefined)
      .once('close', () => resolve(answer.complete && answer.readableLength === 0))
      .once('finish', () => resolve(answer.complete))
    if (outgoing.closed) resolve(false)
    answer.pipe(outgoing)
  })
}
