/**
 * What a request on its way out becomes: refused, or a request to a host whose addresses were checked. The same for one that is answered
 * and for one that turns its connection into something else.
 */
import type { ClientRequest, IncomingMessage } from 'node:http'
import { LIMITS } from '../../../shared/limits.ts'
import { Attempt, withoutQuery } from './attempt.ts'
import { plainPath } from './fits.ts'
import { requestHeaders } from './headers.ts'
import { judgeRequest, judgesPaths, secretsFor, type Verdict } from './judge.ts'
import { putIntoTarget } from './put-secrets.ts'
import { targetOf } from './target.ts'
import { askUpstream, type Upstream } from './upstream.ts'
import { findWay, type Visit, type Ways } from './visit.ts'

type Reason = Verdict['reason']
export type Going =
  | { kind: 'refused'; reason: Reason }
  | { kind: 'asked'; upstream: ClientRequest; verdict: Verdict; attempt: Attempt; stillMay: () => boolean }

/** What is refused is in the log when this returns. `agent` keeps connections to a host inside of which this is. */
export async function askFor(
  ways: Ways,
  { visitor, inside }: Visit,
  incoming: IncomingMessage,
  { agent, upgrade }: { agent: Upstream['agent']; upgrade?: string },
): Promise<Going> {
  const method = incoming.method ?? ''
  const target = targetOf(incoming, inside)
  const { host, port } = target
  const attempt = new Attempt(visitor, { host, port, method, path: withoutQuery(target.path) })
  const refuse = (verdict: Verdict): Going => {
    attempt.end(verdict)
    return { kind: 'refused', reason: verdict.reason }
  }
  if (target.refusal !== null) return refuse({ action: 'denied', reason: target.refusal })
  // It is answered with what was sent, secrets included.
  if (method === 'TRACE') return refuse({ action: 'denied', reason: 'request' })
  const judge = (): Verdict => judgeRequest(visitor.policy(), { host, port, method, path: target.path })
  const first = judge()
  const asked = visitor.policy()
  if (first.action === 'denied' || asked === null) return refuse(first)
  const found = await findWay(ways, asked, host)
  if (found.kind === 'refused') {
    if (found.reason === 'address') return refuse({ action: 'denied', reason: 'address' })
    attempt.fail(found.reason)
    return { kind: 'refused', reason: found.reason }
  }
  // While the name was looked up, another policy may have come.
  const verdict = judge()
  const policy = visitor.policy()
  if (verdict.action === 'denied' || policy === null) return refuse(verdict)
  const { scheme } = target
  // In the clear, everybody on the way could read a secret.
  const secrets = scheme === 'https' ? secretsFor(policy, host) : []
  const path = judgesPaths(policy, target) ? plainPath(target.path) + queryOf(target.path) : target.path
  const isChunked = incoming.headers['transfer-encoding'] !== undefined
  const sent = {
    path: putIntoTarget(path, secrets),
    headers: requestHeaders(incoming.rawHeaders, target.authority, secrets, { isChunked, upgrade }),
  }
  if (sizeOf(sent) > LIMITS.egressSentHeadBytesMax) return refuse({ action: 'denied', reason: 'request' })
  const { addresses } = found
  const upstream = askUpstream({ scheme, host, port, method, agent, addresses, ...sent, trusted: ways.trusted })
  return { kind: 'asked', upstream, verdict, attempt, stillMay: () => judge().action === 'allowed' }
}

const queryOf = (target: string): string => target.slice(withoutQuery(target).length)

/** A placeholder that is repeated becomes many times what it was. */
const sizeOf = ({ path, headers }: { path: string; headers: string[] }): number =>
  headers.reduce((size, text) => size + text.length, path.length)
