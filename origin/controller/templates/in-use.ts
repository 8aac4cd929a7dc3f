/** What was made of a template, or of one version of it: while there is any, it is not deleted. */

import { and, eq, inArray, isNotNull, isNull, like, ne, notLike, or, type SQL } from 'drizzle-orm'
import type { PgColumn } from 'drizzle-orm/pg-core'
import { AppError } from '../../../shared/errors.ts'
import { LIVE } from '../../../shared/lifecycle.ts'
import type { AccountTx } from '../accounts/write-account.ts'
import { sandbox } from '../database/schema/sandboxes.ts'
import { snapshot } from '../database/schema/snapshots.ts'
import { templateBuild } from '../database/schema/templates.ts'
import { OPEN_STATES } from './builds/build-life.ts'

/** `made` is the name of a version, or that of a template for all of them. No name has a `%` or `_` in it. */
type Used = { tenant: string; made: string; template: string }

const isOf = (column: PgColumn, made: string): SQL | undefined =>
  made.includes(':') ? eq(column, made) : like(column, `${made}:%`)

/** Throws template_in_use. */
export async function requireUnused(tx: AccountTx, { tenant, made, template }: Used): Promise<void> {
  const [sandboxes, snapshots, templates] = await Promise.all([
    tx.$count(
      sandbox,
      and(eq(sandbox.tenant, tenant), isOf(sandbox.template, made), inArray(sandbox.state, [...LIVE])),
    ),
    tx.$count(
      snapshot,
      and(
        eq(snapshot.tenant, tenant),
        isOf(snapshot.template, made),
        inArray(snapshot.state, ['creating', 'ready']),
        // Those of builds are counted as what they are: other templates, or nothing but a memory of steps.
        or(isNull(snapshot.owner), notLike(snapshot.owner, 'bld%')),
      ),
    ),
    tx.$count(
      templateBuild,
      and(
        eq(templateBuild.tenant, tenant),
        isOf(templateBuild.base, made),
        ne(templateBuild.template, template),
        or(isNotNull(templateBuild.version), inArray(templateBuild.state, OPEN_STATES)),
      ),
    ),
  ])
  if (sandboxes + snapshots + templates === 0) return
  throw new AppError(
    'template_in_use',
    `Sandboxes, snapshots or templates that were made of ${made} are still there.`,
    {
      details: { sandboxes, snapshots, templates },
    },
  )
}
