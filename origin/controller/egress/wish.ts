/** What a sandbox is made with: from the body that asks for it, or from the sandbox that it goes on from. Pure. */
import type { EgressWishBody } from '../../../shared/contracts/egress-fields.ts'
import type { EgressWish, WishedRule } from '../../../shared/egress-wish.ts'
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { type EgressBook, modeOf, strictest, toHostRule } from './effective-policy.ts'

export function wishOf(body: EgressWishBody): EgressWish {
  if (body === false) return { inherits: false, default_effect: 'deny', rules: [], secrets: [] }
  if (body === true) return { inherits: true, default_effect: 'allow', rules: [], secrets: [] }
  const { allow = [], deny = [], default_effect } = body
  return {
    inherits: true,
    ...(default_effect === undefined ? {} : { default_effect }),
    rules: [...ruleOf(deny, 'deny'), ...ruleOf(allow, 'allow')],
    secrets: [],
  }
}

const ruleOf = (hosts: readonly string[], effect: WishedRule['effect']): WishedRule[] =>
  hosts.map((host) => ({ host, effect }))

/** Whether it lets out what would not go out without it. */
export const opens = ({ default_effect, rules }: EgressWish): boolean =>
  default_effect === 'allow' || rules.some(({ effect }) => effect === 'allow')

/**
 * What a child, or a snapshot, of this sandbox has of its own: all that was said of the sandbox alone, as it is now. Null is nothing.
 * Throws account_limit when that is more than a sandbox may have.
 */
export function carriedWish(sandbox: string, wish: EgressWish | null, book: EgressBook): EgressWish | null {
  const isOwn = ({ resource }: { resource: string | null }): boolean => resource === sandbox
  const policies = book.policies.filter(isOwn)
  const rules = book.rules.filter(
    (row) => isOwn(row) && (row.policy === null || policies.some(({ id }) => id === row.policy)),
  )
  const secrets = [
    ...book.bindings.filter(isOwn).map(({ secret }) => secret),
    ...book.secrets.filter(isOwn).map(({ id }) => id),
  ]
  if (policies.length + rules.length + secrets.length === 0) return wish
  const all = [...(wish?.rules ?? []), ...rules.map(withoutId)]
  if (all.length > LIMITS.egressCarriedRulesMax)
    throw new AppError('account_limit', `A sandbox takes at most ${LIMITS.egressCarriedRulesMax} egress rules with it.`)
  const mode = modeOf(policies) ?? wish?.mode
  const default_effect = strictest(policies)?.defaultEffect ?? wish?.default_effect
  return {
    inherits: wish?.inherits ?? true,
    ...(mode === undefined ? {} : { mode }),
    ...(default_effect === undefined ? {} : { default_effect }),
    rules: all,
    secrets: [...new Set([...(wish?.secrets ?? []), ...secrets])],
  }
}

function withoutId(row: EgressBook['rules'][number]): WishedRule {
  const { id: _, ...rule } = toHostRule(row)
  return rule
}
