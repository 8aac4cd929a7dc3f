/** A connection whose requests the host does not look at. It goes to the host that was asked for, and TLS in it is for no other name. */
import { connect, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { LIMITS } from '../../../shared/limits.ts'
import { type Address, familyOf } from '../../../shared/public-address.ts'
import type { Attempt } from './attempt.ts'
import { type Greeting, readGreeting } from './greet.ts'
import { join } from './join.ts'
import { judgeConnection, type Target, type Verdict } from './judge.ts'
import { refuseConnection } from './refuse.ts'
import { answeringWith } from './upstream.ts'
import type { Visitor } from './visit.ts'

const HTTPS = 443

export type Passage = {
  visitor: Visitor
  target: Target
  verdict: Verdict
  attempt: Attempt
  addresses: Address[]
  connection: Duplex
  /** What the process said before it was answered. */
  early: Buffer
}

/** Says that the way is open. */
export const welcome = (connection: Duplex): boolean => connection.write('HTTP/1.1 200 Connection Established\r\n\r\n')

/** Resolves when it is over, however it ended. */
export async function passThrough(passage: Passage): Promise<void> {
  const { visitor, target, verdict, attempt, connection, early } = passage
  const outside = await reachOut(passage)
  if (outside === null) {
    attempt.fail('unreachable')
    return refuseConnection(connection, 'unreachable', visitor)
  }
  // Judged by the name alone, it must not go on as a connection whose requests are to be seen.
  const look = (): void => {
    const now = judgeConnection(visitor.policy(), target)
    if (now.action === 'denied' || now.inspects) outside.destroy()
  }
  const forget = visitor.onChange(look)
  // While the host was looked for, another policy may have come.
  look()
  welcome(connection)
  attempt.count('up', connection)
  const first = readGreeting(connection, early).then((greeting) => {
    const refusal = refusalOf(greeting, target)
    if (refusal !== null) attempt.end({ action: 'denied', reason: refusal })
    return refusal === null && greeting.kind !== 'none' ? greeting.bytes : null
  })
  const isWhole = await join(connection, outside, attempt, first)
  forget()
  if (isWhole) attempt.end(verdict)
  else attempt.fail('broken')
}

/** TLS is for the name that the connection was let in for; an address has none. On the port of https nothing else is spoken. */
export function refusalOf(greeting: Greeting, { host, port }: Target): 'name' | 'request' | null {
  if (greeting.kind === 'other') return port === HTTPS ? 'request' : null
  if (greeting.kind === 'none' || familyOf(host) !== 0) return null
  return greeting.serverName === host ? null : 'name'
}

/** Null when nobody answers. */
function reachOut({ target: { host, port }, addresses, connection }: Passage): Promise<Socket | null> {
  return new Promise((resolve) => {
    const outside = connect({ host, port, lookup: answeringWith(addresses) })
    const settle = (socket: Socket | null): void => {
      clearTimeout(giveUp)
      connection.off('close', leave)
      if (socket === null) outside.destroy()
      resolve(socket)
    }
    const leave = (): void => settle(null)
    const giveUp = setTimeout(leave, LIMITS.egressConnectMs)
    connection.once('close', leave)
    outside.on('error', leave).once('connect', () => settle(outside))
  })
}
