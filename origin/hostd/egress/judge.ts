/**
 * Whether a sandbox may go where it asks to. Decisions only: the first rule that fits decides, then the policy's default.
 *
 *   connection (CONNECT)   by name and port. When rules for it look at more than that, or a secret is bound to it, its requests are judged
 *                          one by one, and the connection is let in for that
 *   request                by name, port, method and path
 */
import {
  type EgressEntry,
  type EgressPolicy,
  type EgressRule,
  MAIL_PORTS,
} from '../../../shared/contracts/host-egress.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { familyOf } from '../../../shared/public-address.ts'
import { fitsHost, fitsPath, mayClimb, plainPath, unescapedPath } from './fits.ts'

export type Target = { host: string; port: number }
/** `path` is the request's target, with its query. */
export type Asked = Target & { method: string; path: string }
export type Verdict = Pick<EgressEntry, 'reason' | 'rule'> & { action: 'allowed' | 'denied' }

const WEB_PORTS = [80, 443]
const CLOSED: Verdict = { action: 'denied', reason: 'default' }

const fitsTarget =
  ({ host, port }: Target) =>
  (rule: EgressRule): boolean =>
    fitsHost(rule.host, host) && (rule.ports ?? WEB_PORTS).includes(port)

const looksInside = (rule: EgressRule): boolean => rule.methods !== undefined || rule.path_glob !== undefined

/** Whether a secret may be put into what goes to this host. */
export const secretsFor = (policy: EgressPolicy, host: string): EgressPolicy['secrets'] =>
  policy.secrets.filter(({ hosts }) => hosts.some((pattern) => fitsHost(pattern, host)))

/** No policy is closed. */
export function judgeConnection(policy: EgressPolicy | null, target: Target): Verdict & { inspects: boolean } {
  if (policy === null) return { ...CLOSED, inspects: false }
  if (MAIL_PORTS.includes(target.port)) return { action: 'denied', reason: 'port', inspects: false }
  const rules = policy.rules.filter(fitsTarget(target))
  const deciding = rules.findIndex((rule) => !looksInside(rule))
  const before = deciding === -1 ? rules : rules.slice(0, deciding)
  const verdict = decide(policy, target, rules[deciding])
  // A rule that looks inside decides nothing here when it agrees with what follows anyway.
  const differs = before.some(({ effect }) => (effect === 'allow') !== (verdict.action === 'allowed'))
  if (differs) return { action: 'allowed', reason: 'rule', inspects: true }
  return { ...verdict, inspects: before.length > 0 || secretsFor(policy, target.host).length > 0 }
}

export function judgeRequest(policy: EgressPolicy | null, asked: Asked): Verdict {
  if (policy === null) return CLOSED
  if (MAIL_PORTS.includes(asked.port)) return { action: 'denied', reason: 'port' }
  const rules = policy.rules.filter(fitsTarget(asked))
  const path = asked.path.length > LIMITS.egressPathCharsMax ? null : plainPath(asked.path)
  if ((path === null || mayClimb(path)) && rules.some(({ path_glob }) => path_glob !== undefined))
    return { action: 'denied', reason: 'request' }
  const fits = ({ effect, methods, path_glob: glob }: EgressRule): boolean =>
    (methods?.includes(asked.method) ?? true) && (glob === undefined || (path !== null && leadsTo(effect, glob, path)))
  return decide(policy, asked, rules.find(fits))
}

/** What is denied is denied however a server reads an escaped slash. */
const leadsTo = (effect: EgressRule['effect'], glob: string, path: string): boolean =>
  fitsPath(glob, path) || (effect === 'deny' && fitsPath(glob, unescapedPath(path)))

/** Whether the path decides, so that what is sent on must be the path that was judged. */
export const judgesPaths = (policy: EgressPolicy, target: Target): boolean =>
  policy.rules.some((rule) => rule.path_glob !== undefined && fitsTarget(target)(rule))

function decide(policy: EgressPolicy, { host, port }: Target, rule: EgressRule | undefined): Verdict {
  const verdict = rule === undefined ? withoutRule(policy, host, port) : byRule(rule)
  if (verdict.action === 'allowed' || policy.mode === 'enforce') return verdict
  return { ...verdict, action: 'allowed', reason: 'audit_only' }
}

const byRule = ({ id, effect }: EgressRule): Verdict => ({
  action: effect === 'allow' ? 'allowed' : 'denied',
  reason: 'rule',
  rule: id,
})

function withoutRule({ default_effect, rules }: EgressPolicy, host: string, port: number): Verdict {
  // Whoever reads it has a rule for the host, and needs to hear that it is the port that is shut.
  if (default_effect === 'deny')
    return isOpenElsewhere(rules, host, port) ? { action: 'denied', reason: 'port' } : CLOSED
  if (!WEB_PORTS.includes(port)) return { action: 'denied', reason: 'port' }
  return familyOf(host) === 0 ? { action: 'allowed', reason: 'default' } : { action: 'denied', reason: 'address' }
}

/** Whether programs in the sandbox have to trust the host's authority, because it looks into some of their TLS. */
export const needsAuthority = (policy: EgressPolicy | null): boolean =>
  policy !== null && (policy.secrets.length > 0 || policy.rules.some(looksInside))

/** Whether this port is none of those that rules let this host be reached on. */
function isOpenElsewhere(rules: EgressPolicy['rules'], host: string, port: number): boolean {
  const ofHost = rules.filter((rule) => rule.effect === 'allow' && fitsHost(rule.host, host))
  return ofHost.length > 0 && !ofHost.some(fitsTarget({ host, port }))
}
