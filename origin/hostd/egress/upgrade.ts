/** A request that turns its connection into something else, as of a WebSocket: asked for like every other, and then passed on both ways unread. */
import type { ClientRequest, IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { askFor } from './ask-for.ts'
import type { Attempt } from './attempt.ts'
import { answerHeaders } from './headers.ts'
import { join } from './join.ts'
import { refuseConnection } from './refuse.ts'
import type { Visit, Ways } from './visit.ts'

type Turned = { answer: IncomingMessage; socket: Duplex; head: Buffer } | { answer: IncomingMessage; socket: null }

/** `early` is what the process said before it was answered. */
export async function passUpgrade(
  ways: Ways,
  visit: Visit,
  { incoming, connection, early }: { incoming: IncomingMessage; connection: Duplex; early: Buffer },
): Promise<void> {
  const going = await askFor(ways, visit, incoming, { agent: false, upgrade: incoming.headers.upgrade ?? '' })
  if (going.kind === 'refused') return refuseConnection(connection, going.reason)
  const { upstream, verdict, attempt, stillMay } = going
  connection.once('close', () => upstream.destroy())
  upstream.end()
  const turned = await turnOf(upstream).catch(() => null)
  if (turned === null) {
    attempt.fail('unreachable')
    return refuseConnection(connection, 'unreachable')
  }
  if (turned.socket === null) {
    const isWhole = await sayInstead(turned.answer, connection, attempt)
    return isWhole ? attempt.end(verdict) : attempt.fail('broken')
  }
  const { answer, socket, head } = turned
  const forget = visit.visitor.onChange(() => {
    if (!stillMay()) socket.destroy()
  })
  connection.write(headOf(answer, ['Connection: Upgrade', `Upgrade: ${answer.headers.upgrade ?? ''}`]))
  connection.write(head)
  attempt.count('up', connection)
  const isWhole = await join(connection, socket, attempt, Promise.resolve(early))
  forget()
  if (isWhole) attempt.end(verdict)
  else attempt.fail('broken')
}

/** Without a socket it stays what it is, and was answered. */
function turnOf(upstream: ClientRequest): Promise<Turned> {
  return new Promise((resolve, reject) => {
    upstream.once('upgrade', (answer, socket, head) => resolve({ answer, socket, head }))
    upstream.once('response', (answer) => resolve({ answer, socket: null }))
    upstream.on('error', reject).once('close', () => reject(new Error('It broke off.')))
  })
}

/** Whether all of it came. The end of the connection is the end of the answer. */
function sayInstead(answer: IncomingMessage, connection: Duplex, attempt: Attempt): Promise<boolean> {
  connection.write(headOf(answer, ['Connection: close']))
  attempt.count('down', answer)
  return new Promise((resolve) => {
    answer
      .on('error', () => undefined)
      .once('close', () => {
        if (!answer.complete) connection.destroy()
        resolve(answer.complete)
      })
    answer.pipe(connection)
  })
}

function headOf(answer: IncomingMessage, more: string[]): string {
  const raw = answerHeaders(answer.rawHeaders)
  const lines = raw.flatMap((text, at) => (at % 2 === 0 ? [`${text}: ${raw[at + 1] ?? ''}`] : []))
  return `${[`HTTP/1.1 ${answer.statusCode} ${answer.statusMessage}`, ...lines, ...more].join('\r\n')}\r\n\r\n`
}
