/** One exchange with the authority, begun anew when another one of the same tenant came between. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { QuotaReport } from '../../../shared/contracts/quota.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Db } from '../database/connect.ts'
import { describeError, type Log } from '../log.ts'
import type { Metrics } from '../metrics/instruments.ts'
import type { Authority } from './authority.ts'
import { applyShare, type Begun, beginExchange, readGrant } from './grant-row.ts'

export type Exchanged =
  /** `room` is what may be created now; with none of it, the tenant has `running` sandboxes over all regions. */
  | { kind: 'share'; room: number; granted: number; limit: number; running: number; tier: string }
  | { kind: 'unavailable' }

export type QuotaSeams = {
  db: Db
  authority: Authority
  region: string
  log: Log
  metrics: Metrics
}

export type Asked = {
  reason: QuotaReport['reason']
  want: number
  /** Lowers the share first, to what is used and this many more. */
  keep?: number
}

/** Longer than an exchange takes, so that two controllers of a region do not overtake each other for ever. */
const OVERTAKEN_PAUSE_MS = 40

export async function exchange(seams: QuotaSeams, tenant: string, asked: Asked): Promise<Exchanged> {
  let { reason, want } = asked
  let floor = 0
  for (let tries = 0; tries < LIMITS.quotaTriesMax; tries++) {
    const begun = await beginExchange(seams.db, tenant, { floor, keep: asked.keep ?? null })
    if (begun === undefined) return { kind: 'share', room: 0, granted: 0, limit: 0, running: 0, tier: 'none' }
    const answer = await askAuthority(seams, reportOf(seams, tenant, begun, { reason, want }))
    if (answer === undefined) return { kind: 'unavailable' }
    if (answer.kind === 'late') {
      floor = answer.epoch
      continue
    }
    const { epoch, granted, limit } = answer
    const applied = await applyShare(seams.db, tenant, { epoch, granted, limitVersion: begun.limit_version })
    if (applied === undefined) {
      const found = await lookAfter(seams.db, tenant)
      if (found > 0) return { kind: 'share', room: found, granted, limit, running: answer.running, tier: begun.tier }
      continue
    }
    if (applied.granted >= begun.granted) {
      const room = Math.max(0, applied.granted - applied.used)
      const running = Math.max(answer.running, applied.used)
      return { kind: 'share', room, granted: applied.granted, limit, running, tier: begun.tier }
    }
    // What was lowered may be used elsewhere as soon as the authority hears of it.
    ;[reason, want] = ['report', 0]
  }
  seams.metrics.quotaExchanges.inc({ outcome: 'overtaken' })
  return { kind: 'unavailable' }
}

const reportOf = (
  { region }: QuotaSeams,
  tenant: string,
  { epoch, granted, used, limit, limit_version }: Begun,
  asked: Pick<QuotaReport, 'reason' | 'want'>,
): QuotaReport => ({ region, tenant, epoch, granted, used, limit, limit_version, ...asked })

async function askAuthority({ authority, log, metrics }: QuotaSeams, report: QuotaReport) {
  try {
    const answer = await authority.exchange(report)
    metrics.quotaExchanges.inc({ outcome: answer.kind === 'late' ? 'late' : report.reason })
    return answer
  } catch (err) {
    metrics.quotaExchanges.inc({ outcome: 'unavailable' })
    log('warn', 'quota.authority_unavailable', { tenant: report.tenant, error: describeError(err) })
    return undefined
  }
}

/** Somebody else's exchange was written down instead of this one: perhaps it brought enough. */
async function lookAfter(db: Db, tenant: string): Promise<number> {
  await sleep(OVERTAKEN_PAUSE_MS * Math.random())
  const row = await readGrant(db, tenant)
  return row === undefined ? 0 : row.granted - row.used
}
