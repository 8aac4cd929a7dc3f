/** A key as the edge knows it. */
import type { KeyLimits, KeyRecord } from '../../../shared/accounts.ts'
import type { KeyFacts } from './key-facts.ts'

/** As Postgres gives it, in the names of its columns. */
export type KeyRow = {
  hash: string
  id: string
  tenant: string
  tier: string
  scopes: string[]
  pin: string | null
  limits: KeyLimits | null
  external_user: string | null
  key_version: number
  usable: boolean
  /** Unix milliseconds; the driver gives a bigint as text. */
  expires: string | null
}

export function recordOfRow(row: KeyRow): KeyRecord {
  return {
    id: row.id,
    tenant: row.tenant,
    tier: row.tier,
    scopes: row.scopes,
    status: row.usable ? 'active' : 'revoked',
    expires: row.expires === null ? null : Number(row.expires),
    keyVersion: row.key_version,
    ...optional({ pin: row.pin, limits: row.limits, externalUser: row.external_user }),
  }
}

export function recordOfFacts(facts: KeyFacts): KeyRecord {
  return {
    id: facts.key,
    tenant: facts.tenant,
    tier: facts.tier,
    scopes: facts.scopes,
    status: facts.status === 'active' && facts.tenantStatus === 'active' ? 'active' : 'revoked',
    expires: facts.expiresAt?.getTime() ?? null,
    keyVersion: facts.keyVersion,
    ...optional({ pin: facts.pin, limits: facts.keyLimits, externalUser: facts.externalUser }),
  }
}

type Optional = { pin: string | null; limits: KeyLimits | null; externalUser: string | null }

const optional = ({ pin, limits, externalUser }: Optional): Pick<KeyRecord, 'pin' | 'limits' | 'externalUser'> => ({
  ...(pin === null ? {} : { pin }),
  ...(limits === null ? {} : { limits }),
  ...(externalUser === null ? {} : { externalUser }),
})
