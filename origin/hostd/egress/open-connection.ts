/** CONNECT: a connection to a host by its name. It is let through, or its requests are looked at one by one as if they had come to the host itself. */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'
import { Attempt } from './attempt.ts'
import { readGreeting } from './greet.ts'
import { judgeConnection, type Target } from './judge.ts'
import { refuseConnection } from './refuse.ts'
import { parseAuthority } from './target.ts'
import { passThrough, welcome } from './tunnel.ts'
import { findWay, type Visit, type Visitor, type Ways } from './visit.ts'

export type Opening = {
  incoming: IncomingMessage
  connection: Duplex
  /** What the process said before it was answered. */
  early: Buffer
  /** Serves what is inside of it. */
  enter: (connection: Duplex, visit: Visit) => void
}

/** Resolves when it is refused, is over, or is served by `enter`. */
export async function openConnection(ways: Ways, { visitor, inside }: Visit, opening: Opening): Promise<void> {
  const { incoming, connection, early } = opening
  const target = inside === null ? parseAuthority(incoming.url ?? '', null) : null
  const attempt = new Attempt(visitor, { host: target?.host ?? '', port: target?.port ?? 0, method: 'CONNECT' })
  if (target === null) {
    attempt.end({ action: 'denied', reason: 'request' })
    return refuseConnection(connection, 'request', visitor)
  }
  const policy = visitor.policy()
  const { inspects, ...verdict } = judgeConnection(policy, target)
  if (verdict.action === 'denied' || policy === null) {
    attempt.end(verdict)
    return refuseConnection(connection, verdict.reason, visitor)
  }
  if (inspects) return lookInside(ways, visitor, target, opening)
  const found = await findWay(ways, policy, target.host)
  if (found.kind === 'found') {
    const { addresses } = found
    return passThrough({ visitor, target, verdict, attempt, addresses, connection, early })
  }
  if (found.reason === 'address') attempt.end({ action: 'denied', reason: 'address' })
  else attempt.fail(found.reason)
  return refuseConnection(connection, found.reason, visitor)
}

/** Each request inside is logged by itself, so the connection is not, unless there is none to be. */
async function lookInside(
  { authority }: Ways,
  visitor: Visitor,
  target: Target,
  { connection, early, enter }: Opening,
): Promise<void> {
  welcome(connection)
  const greeting = await readGreeting(connection, early)
  if (greeting.kind === 'none') return void connection.destroy()
  connection.unshift(greeting.bytes)
  if (greeting.kind === 'other') return enter(connection, { visitor, inside: { ...target, scheme: 'http' } })
  const secureContext = await authority.contextOf(target.host, Date.now())
  if (connection.destroyed) return
  const secured = new TLSSocket(connection, { isServer: true, secureContext, ALPNProtocols: ['http/1.1'] })
  // What ends the outer one ends the inner one, and the other way round.
  connection.once('close', () => secured.destroy())
  secured.once('close', () => connection.destroy())
  enter(secured, { visitor, inside: { ...target, scheme: 'https' } })
}
