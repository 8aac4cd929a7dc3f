/** Frees what a dead region holds, tenant by tenant. Safe to repeat, and to go on with after it broke off. */
import { asc, gt } from 'drizzle-orm'
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Controller } from '../controller.ts'
import type { Db } from '../database/connect.ts'
import { tenant } from '../database/schema/accounts.ts'
import { eachOf } from './each-of.ts'

/** How many tenants' holdings were freed. Throws quota_authority_unavailable when one of them could not be. */
export async function fenceRegion(
  { database: { db }, quota, region }: Controller,
  wanted: { region: string; tenant?: string | undefined },
): Promise<number> {
  if (!quota.isShared || wanted.region === region.code)
    throw new AppError('invalid_request', 'A region is fenced by another one that lives.', {
      details: { region: ['must be another region than the one that is asked'] },
    })
  if (wanted.tenant !== undefined) {
    await quota.fence(wanted.region, wanted.tenant)
    return 1
  }
  let fenced = 0
  for (let page = await tenantsAfter(db, ''); page.length > 0; page = await tenantsAfter(db, page.at(-1) ?? '')) {
    await eachOf(page, LIMITS.quotaSweepAtOnceMax, (one) => quota.fence(wanted.region, one))
    fenced += page.length
  }
  return fenced
}

async function tenantsAfter(db: Db, last: string): Promise<string[]> {
  const rows = await db
    .select({ id: tenant.id })
    .from(tenant)
    .where(gt(tenant.id, last))
    .orderBy(asc(tenant.id))
    .limit(LIMITS.quotaSweepRowsMax)
  return rows.map(({ id }) => id)
}
