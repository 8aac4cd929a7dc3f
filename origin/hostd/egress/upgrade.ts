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
  if (going.kind === 'refused') return refuseConnection(connection, going.reason, visit.visitor)
  const { upstream, verdict, attempt, stillMay } = going
  let outside: ClientRequest | Duplex = upstream
  const forget = visit.visitor.onChange(() => {
    if (!stillMay()) outside.destroy()
  })
  try {
    connection.once('close', () => upstream.destroy())
    // Who left while the name was looked up is not heard to leave again.
    if (connection.destroyed) upstream.destroy()
    else upstream.end()
    const turned = await turnOf(upstream).catch(() => null)
    if (turned === null) {
      attempt.fail('unreachable')
      return refuseConnection(connection, 'unreachable', visit.visitor)
    }
    outside = turned.socket ?? upstream
    if (await passOn(turned, connection, attempt, early)) attempt.end(verdict)
    else attempt.fail('broken')
  } finally {
    forget()
  }
}

/** Whether both ended in order. */
function passOn(turned: Turned, connection: Duplex, attempt: Attempt, early: Buffer): Promise<boolean> {
  const { answer, socket } = turned
  if (socket === null) return sayInstead(answer, connection, attempt)
  connection.write(headOf(answer, ['Connection: Upgrade', `Upgrade: ${answer.headers.upgrade ?? ''}`]))
  connection.write(turned.head)
  attempt.count('up', connection)
  return join(connection, socket, attempt, Promise.resolve(early))
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
