/** Reads what a tenant has said of egress, as of one moment: a change that is not in it has a higher version than what is. */
import { and, eq, isNull, or, type SQL } from 'drizzle-orm'
import type { Db } from '../database/connect.ts'
import { egressBinding, egressPolicy, egressRule, egressSecret } from '../database/schema/egress.ts'
import type { EgressBook } from './effective-policy.ts'

type Said = typeof egressPolicy | typeof egressRule | typeof egressBinding

/** What is said of all of a tenant's sandboxes, and of this one if one is named. */
export function readBook(db: Db, tenant: string, sandbox: string | null): Promise<EgressBook> {
  return db.transaction(
    async (tx) => {
      const said = (table: Said): SQL | undefined =>
        and(
          eq(table.tenant, tenant),
          sandbox === null ? isNull(table.resource) : or(isNull(table.resource), eq(table.resource, sandbox)),
        )
      const policies = await tx.select().from(egressPolicy).where(said(egressPolicy))
      const rules = await tx.select().from(egressRule).where(said(egressRule))
      const bindings = sandbox === null ? [] : await tx.select().from(egressBinding).where(said(egressBinding))
      // All of them, because each may be bound to any sandbox, or have come to it from the one that it was made of.
      const secrets = await tx.select().from(egressSecret).where(eq(egressSecret.tenant, tenant))
      const versions = [...policies, ...rules, ...bindings, ...secrets].map(({ version }) => version)
      return {
        version: Math.max(0, ...versions),
        policies: policies.filter(isKept),
        rules: rules.filter(isKept),
        secrets: secrets.filter(isKept),
        bindings: bindings.filter(isKept),
      }
    },
    { isolationLevel: 'repeatable read', accessMode: 'read only' },
  )
}

const isKept = ({ deletedAt }: { deletedAt: Date | null }): boolean => deletedAt === null
