/**
 * What is in force for one sandbox, out of what its tenant says of all, what is said of this one, what it was made with, and what holds on
 * this installation. Pure. What is said of this one goes before what is said of all; of two policies that are said of the same, the
 * stricter one counts; the order of rules is in rule-order.ts.
 */
import type { EgressPolicy, EgressRule } from '../../../shared/contracts/host-egress.ts'
import type { EgressWish } from '../../../shared/egress-wish.ts'
import type { BindingRow, PolicyRow, RuleRow, SecretRow } from '../database/schema/egress.ts'
import { applicableSecrets, exposedEnv, type HeldSecret, type Owner } from './applicable-secrets.ts'
import { inOrder, type RankedRule } from './rule-order.ts'

/** Everything that a tenant has said and not taken back: of all its sandboxes, and of the one that is asked about. */
export type EgressBook = {
  /** The last change that is in here. */
  version: number
  policies: PolicyRow[]
  rules: RuleRow[]
  secrets: SecretRow[]
  bindings: BindingRow[]
}
/** Of the installation. */
export type EgressDefaults = { default_effect: EgressPolicy['default_effect']; allow_private: boolean }
export type Subject = Owner & { egress: EgressWish | null }
/** Secrets are told apart here; their values come in when a host is told. Null: there is no way out. */
export type Effective = {
  policy: (Omit<EgressPolicy, 'secrets'> & { secrets: HeldSecret[] }) | null
  env: Record<string, string>
}

const NO_WISH: EgressWish = { inherits: true, rules: [], secrets: [] }

export function effectivePolicy(
  subject: Subject,
  book: EgressBook,
  defaults: EgressDefaults,
  nowMs: number,
): Effective {
  const wish = subject.egress ?? NO_WISH
  const isSaid = ({ resource }: { resource: string | null }): boolean =>
    resource === subject.id || (resource === null && wish.inherits)
  const policies = book.policies.filter(isSaid)
  const [own, shared] = [
    policies.filter(({ resource }) => resource !== null),
    policies.filter((row) => row.resource === null),
  ]
  const default_effect =
    strictest(own)?.defaultEffect ??
    wish.default_effect ??
    strictest(shared)?.defaultEffect ??
    (wish.inherits ? defaults.default_effect : 'deny')
  const mode = modeOf(own) ?? wish.mode ?? modeOf(shared) ?? 'enforce'
  const rules = inOrder([...rulesOf(book, policies, isSaid), ...wishedRules(wish)])
  const secrets = applicableSecrets(subject, { ...book, carried: wish.secrets }, nowMs)
  const isNothing =
    default_effect === 'deny' && mode === 'enforce' && policies.length + rules.length + secrets.length === 0
  return {
    policy: isNothing ? null : { mode, default_effect, allow_private: defaults.allow_private, rules, secrets },
    env: exposedEnv(secrets),
  }
}

/** Of several for the same sandboxes. */
export const strictest = (policies: readonly PolicyRow[]): PolicyRow | undefined =>
  policies.find(({ defaultEffect }) => defaultEffect === 'deny') ?? policies[0]

export const modeOf = (policies: readonly PolicyRow[]): EgressPolicy['mode'] | undefined =>
  policies.some(({ mode }) => mode === 'enforce') ? 'enforce' : policies[0]?.mode

/** A rule of a policy counts where its policy does. */
function rulesOf(
  book: EgressBook,
  policies: readonly PolicyRow[],
  isSaid: (row: { resource: string | null }) => boolean,
): RankedRule[] {
  const counting = new Set(policies.map(({ id }) => id))
  return book.rules
    .filter((row) => isSaid(row) && (row.policy === null || counting.has(row.policy)))
    .map((row) => ({ rule: toHostRule(row), isOwn: row.resource !== null }))
}

export const toHostRule = ({ id, host, effect, methods, pathGlob, ports }: RuleRow): EgressRule => ({
  id,
  host,
  effect,
  ...(methods === null ? {} : { methods }),
  ...(pathGlob === null ? {} : { path_glob: pathGlob }),
  ...(ports === null ? {} : { ports }),
})

const wishedRules = ({ rules }: EgressWish): RankedRule[] =>
  rules.map((rule, index) => ({ rule: { ...rule, id: `own_${index + 1}` }, isOwn: true }))
