/** A request that turns its connection into something else, as of a WebSocket: asked for like every other, and then passed on both ways unread. */
import type { ClientRequest, IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { askFor } from './ask-for.ts'
import { answerHeaders } from './headers.ts'
import { join } from './join.ts'
import { refuseConnection } from './refuse.ts'
import type { Visit, Ways } from './visit.ts'

type Turned = { answer: IncomingMessage; socket: Duplex; head: Buffer }

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
  const { answer, socket, head } = turned
  const forget = visit.visitor.onChange(() => {
    if (!stillMay()) socket.destroy()
  })
  connection.write(headOf(answer))
  connection.write(head)
  attempt.count('up', connection)
  const isWhole = await join(connection, socket, attempt, Promise.resolve(early))
  forget()
  if (isWhole) attempt.end(verdict)
  else attempt.fail('broken')
}

/** Rejects when it stays what it is: then there is nothing to upgrade to. */
function turnOf(upstream: ClientRequest): Promise<Turned> {
  return new Promise((resolve, reject) => {
    upstream.once('upgrade', (answer, socket, head) => resolve({ answer, socket, head }))
    upstream.once('response', (answer) => {
      answer.destroy()
      reject(new Error('It stays what it is.'))
    })
    upstream.on('error', reject).once('close', () => reject(new Error('It broke off.')))
  })
}

function headOf(answer: IncomingMessage): string {
  const raw = answerHeaders(answer.rawHeaders)
  const lines = raw.flatMap((text, at) => (at % 2 === 0 ? [`${text}: ${raw[at + 1] ?? ''}`] : []))
  const turn = ['Connection: Upgrade', `Upgrade: ${answer.headers.upgrade ?? ''}`]
  return `${[`HTTP/1.1 ${answer.statusCode} ${answer.statusMessage}`, ...lines, ...turn].join('\r\n')}\r\n\r\n`
}
