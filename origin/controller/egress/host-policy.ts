/** What a host is told: the policy with the values of its secrets, and the mark by which it is known without them. */
import { createHash } from 'node:crypto'
import type { EgressPolicy } from '../../../shared/contracts/host-egress.ts'
import type { AccountSecrets } from '../accounts/secrets.ts'
import type { HeldSecret } from './applicable-secrets.ts'
import type { Effective } from './effective-policy.ts'

/** Null when there is no policy. A value that was set anew was sealed anew, and so shows, without a trace of what it is. */
export function markOf({ policy, env }: Effective): string | null {
  if (policy === null) return null
  const { secrets, ...said } = policy
  const sealed = secrets.map(({ secret: { id, placeholder, value, hosts } }) => ({ id, placeholder, value, hosts }))
  return createHash('sha256')
    .update(JSON.stringify({ ...said, secrets: sealed, env }))
    .digest('hex')
}

/** A secret without hosts goes nowhere, so its host has no use for it. */
export function forHost(secrets: AccountSecrets, { policy, env }: Effective): EgressPolicy | null {
  if (policy === null) return null
  const held = policy.secrets.filter(({ secret }) => secret.hosts.length > 0)
  return { ...policy, secrets: held.map((one) => opened(secrets, one)), env }
}

const opened = (secrets: AccountSecrets, { secret: { placeholder, value, hosts } }: HeldSecret) => ({
  placeholder,
  value: secrets.open(value),
  hosts,
})
