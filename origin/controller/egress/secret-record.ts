/** A secret as its owner sees it, and what of a body a row is made of. Pure. */
import * as z from 'zod'
import { secretHosts } from '../../../shared/contracts/egress-fields.ts'
import type { CreateSecretBody, SecretRecord } from '../../../shared/contracts/egress-secrets.ts'
import { AppError } from '../../../shared/errors.ts'
import type { SecretRow } from '../database/schema/egress.ts'
import { typeOf } from './rows-of-tenant.ts'
import { wellKnownHosts } from './well-known-hosts.ts'

export const toSecretRecord = (row: SecretRow): SecretRecord => ({
  id: row.id,
  name: row.name,
  type: row.type,
  scope: row.scope,
  hosts: row.hosts,
  expose_as_env: row.exposeAsEnv,
  masked_value: row.maskedValue,
  status: row.value === '' ? 'expired' : 'active',
  workspace_id: row.workspaceId,
  owner_user_id: row.ownerUserId,
  external_user_id: row.externalUserId,
  external_workspace_id: row.externalWorkspaceId,
  resource_id: row.resource,
  resource_type: typeOf(row.resource),
  metadata: row.metadata,
  expires_at: row.expiresAt?.toISOString() ?? null,
  created_at: row.createdAt.toISOString(),
  updated_at: row.changedAt.toISOString(),
})

/** Long enough that what is shown of it says nothing of the rest. */
const MASKED_CHARS_MIN = 16
export const mask = (value: string): string =>
  value.length < MASKED_CHARS_MIN ? '…' : `${value.slice(0, 3)}…${value.slice(-1)}`

/** Clients that know of no hosts have a place for whatever is theirs. Throws invalid_request. */
export function hostsOf({ hosts, metadata, expose_as_env }: CreateSecretBody): string[] {
  if (hosts !== undefined) return hosts
  const said = z.object({ hosts: secretHosts }).safeParse(metadata)
  if (said.success) return said.data.hosts
  if (metadata?.hosts !== undefined)
    throw new AppError('invalid_request', 'These fields are not valid: metadata.hosts.', {
      details: { 'metadata.hosts': ['must be a list of host names'] },
    })
  return [...wellKnownHosts(expose_as_env ?? null)]
}

/** Nothing here would ever use it. Throws not_supported. */
export function refuseRefreshToken({ refresh_token: token }: { refresh_token?: unknown }): void {
  if (token === undefined || token === null || token === '') return
  throw new AppError('not_supported', 'This server refreshes no tokens: refresh_token.', {
    details: { fields: ['refresh_token'] },
  })
}
