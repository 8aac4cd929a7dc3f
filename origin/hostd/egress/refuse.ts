/** What a process hears that may not go where it wants, in words that say why; and what of it is told to its client's proxy code. */
import type { ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { NewEntry } from './log.ts'
import type { Visitor } from './visit.ts'

type Reason = NewEntry['reason']

/** The status, and what the owner of the sandbox can do: a line of ASCII, which is the status line's, too. */
const ANSWERS: Record<Reason, [status: number, text: string]> = {
  rule: [403, 'A rule of the egress policy of this sandbox denies it.'],
  default: [403, 'The egress policy of this sandbox does not allow it. Its owner can add a rule for this host.'],
  audit_only: [403, 'The egress policy of this sandbox does not allow it.'],
  address: [
    403,
    'This host leads to an address that is not of the public internet, or is an address that no rule names.',
  ],
  port: [403, 'The egress policy of this sandbox does not open this port.'],
  name: [403, 'What was asked for inside of the connection is another host than the one that the connection is for.'],
  request: [400, 'This is no request that can be passed on.'],
  unresolved: [502, 'Nothing is known of this host.'],
  unreachable: [502, 'The host does not answer, or its certificate is not trusted.'],
  broken: [502, 'The host broke the connection off.'],
}

/** Where there is no policy, there is none to add a rule to. */
const WITHOUT_POLICY = 'This sandbox has no way out. Its owner can open one with an egress policy.'

function answerTo(reason: Reason, { policy }: Visitor): [status: number, text: string] {
  const [status, text] = ANSWERS[reason]
  return [status, reason === 'default' && policy() === null ? WITHOUT_POLICY : text]
}

/** The rest of the request is not read, so the connection ends. */
export function refuseRequest(answer: ServerResponse, reason: Reason, visitor: Visitor): void {
  if (answer.headersSent || answer.destroyed) {
    answer.destroy()
    return
  }
  const [status, text] = answerTo(reason, visitor)
  const headers = { 'content-type': 'text/plain', 'content-length': text.length + 1, 'atoll-egress': reason }
  answer.writeHead(status, text, { ...headers, connection: 'close' }).end(`${text}\n`)
}

/** The same where the server has given the connection out of its hands. Of an answer to CONNECT, clients show the status line alone. */
export function refuseConnection(connection: Duplex, reason: Reason, visitor: Visitor): void {
  const [status, text] = answerTo(reason, visitor)
  const head = `HTTP/1.1 ${status} ${text}\r\ncontent-type: text/plain\r\ncontent-length: ${text.length + 1}`
  connection.end(`${head}\r\natoll-egress: ${reason}\r\nconnection: close\r\n\r\n${text}\n`)
}
