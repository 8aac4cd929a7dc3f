/** This process's dealings with its tenants' shares. Exactness is none of its business: the row decides. */
import { AppError } from '../../../shared/errors.ts'
import type { Db } from '../database/connect.ts'
import { describeError } from '../log.ts'
import type { Authority } from './authority.ts'
import { type Asked, type Exchanged, exchange, type QuotaSeams } from './exchange.ts'
import { readGrant } from './grant-row.ts'
import { createLookAhead } from './look-ahead.ts'
import { createWaitingLine } from './waiting-line.ts'

export type Quota = {
  /** Whether other regions have a part in the limits. */
  readonly isShared: boolean
  /** For what did not find `count` slots: resolves when it is worth trying again, or with why it is not. Never throws. */
  more(tenant: string, count: number): Promise<'again' | Exchanged>
  /** A slot was taken. */
  noteUse(tenant: string): void
  /** Says what this region has; with `keep`, lowers it first to what is used and that many more. */
  report(tenant: string, keep?: number): Promise<Exchanged>
  /** Takes from a dead region what it holds. Throws quota_authority_unavailable. */
  fence(region: string, tenant: string): Promise<void>
}

export function createQuota(
  db: Db,
  authority: Authority,
  seams: Pick<QuotaSeams, 'region' | 'log' | 'metrics'> & { clock: () => number },
): Quota {
  const ask = (tenant: string, asked: Asked): Promise<Exchanged> =>
    exchange({ ...seams, db, authority }, tenant, asked).catch((err: unknown) => {
      seams.log('warn', 'quota.exchange_failed', { tenant, error: describeError(err) })
      return { kind: 'unavailable' }
    })
  const line = createWaitingLine(ask)
  const ahead = createLookAhead({ ask, read: (tenant) => readGrant(db, tenant), clock: seams.clock })
  return {
    isShared: authority.isShared,
    more: line.wait,
    // Who is alone has the whole limit in hand.
    noteUse: authority.isShared ? ahead.noteUse : () => {},
    fence: (region, tenant) =>
      authority.fence(region, tenant).catch((cause: unknown) => {
        throw new AppError('quota_authority_unavailable', 'The authority over the limits does not answer.', { cause })
      }),
    report: (tenant, keep) => ask(tenant, { reason: 'report', want: 0, ...(keep === undefined ? {} : { keep }) }),
  }
}
