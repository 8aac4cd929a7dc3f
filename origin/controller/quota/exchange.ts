/** One exchange with the authority, begun anew when another one of the same tenant came between. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { QuotaReport } from '../../../shared/contracts/quota.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Db } from '../database/connect.ts'
import { describeError, type Log } from '../log.ts'
import type { Metrics } from '../metrics/instruments.ts'
import type { Authority } from './authority.ts'
import { applyShare, type Begun, beginExchange, endTurn, readGrant } from './grant-row.ts'

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
  /** What another controller brings is worth coming back for from this many on; one when left out. */
  atLeast?: number
  /** Lowers the share first, to what is used and this many more. */
  keep?: number
}

export async function exchange(seams: QuotaSeams, tenant: string, asked: Asked): Promise<Exchanged> {
  const until = performance.now() + LIMITS.quotaWaitMs
  let turn: string | null = null
  let floor = 0
  let { reason, want } = asked
  for (let tries = 0; tries < LIMITS.quotaTriesMax; ) {
    const begun = await beginExchange(seams.db, tenant, {
      floor,
      keep: asked.keep ?? null,
      turn,
      turnMs: LIMITS.quotaTurnMs,
    })
    if (begun === undefined) return { kind: 'share', room: 0, granted: 0, limit: 0, running: 0, tier: 'none' }
    if (begun === 'busy') {
      const room = await roomMeanwhile(seams.db, tenant)
      if (room >= (asked.atLeast ?? 1) || reason !== 'need') return inHand(room)
      if (performance.now() > until) break
      continue
    }
    tries += 1
    turn = begun.turn
    const answer = await askAuthority(seams, reportOf(seams, tenant, begun, { reason, want }))
    if (answer === undefined) {
      await endTurn(seams.db, tenant, turn)
      return { kind: 'unavailable' }
    }
    if (answer.kind === 'late') {
      floor = answer.epoch
      continue
    }
    const { epoch, granted, limit } = answer
    const applied = await applyShare(seams.db, tenant, { epoch, granted, limitVersion: begun.limit_version })
    // The authority has taken something back in the middle of it, for another region.
    if (applied === undefined) continue
    if (applied.granted >= begun.granted) {
      const room = Math.max(0, applied.granted - applied.used)
      const running = Math.max(answer.running, applied.used)
      return { kind: 'share', room, granted: applied.granted, limit, running, tier: begun.tier }
    }
    // What was lowered may be used elsewhere as soon as the authority hears of it.
    ;[reason, want, turn] = ['report', 0, null]
  }
  seams.metrics.quotaExchanges.inc({ outcome: 'overtaken' })
  if (turn !== null) await endTurn(seams.db, tenant, turn)
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

/** Another controller of this region is asking: perhaps it brings enough. */
async function roomMeanwhile(db: Db, tenant: string): Promise<number> {
  await sleep(LIMITS.quotaBusyPollMs)
  const row = await readGrant(db, tenant)
  return row === undefined ? 0 : Math.max(0, row.granted - row.used)
}

const inHand = (room: number): Exchanged => ({ kind: 'share', room, granted: 0, limit: 0, running: 0, tier: 'none' })
