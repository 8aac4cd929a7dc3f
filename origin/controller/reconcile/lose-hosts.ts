/**
 * Gives up the sandboxes and snapshots of hosts that were silent for too long, and of those that were removed. The leader's work. A host is silent by
 * the clock of the database, to which whatever controller hears of it writes; how long it was watched is counted in this process, so a
 * new leader begins to count anew and is late rather than wrong.
 */
import { gt, isNull, or, type SQL, sql } from 'drizzle-orm'
import { LIMITS } from '../../../shared/limits.ts'
import type { Controller } from '../controller.ts'
import { host } from '../database/schema/hosts.ts'
import { giveUpSandboxes } from '../hosts/give-up-sandboxes.ts'
import { giveUpSnapshots } from '../hosts/give-up-snapshots.ts'
import { countSilence } from './count-silence.ts'

export function createHostWatch(controller: Controller): () => Promise<void> {
  let counted: ReadonlyMap<string, number> = new Map()
  let lookedAt: number | undefined

  return async () => {
    const hosts = await lookAtHosts(controller)
    const now = performance.now()
    const { goneAfterMs } = controller.hostRules
    const silentAfterMs = Math.min(LIMITS.hostLostAfterMs, goneAfterMs)
    const present = hosts.filter(({ isRemoved }) => !isRemoved)
    counted = countSilence(counted, present, { sinceLastLookMs: now - (lookedAt ?? now), silentAfterMs })
    lookedAt = now
    for (const { host: name, isRemoved, silentMs, sandboxes, keepsSnapshots } of hosts) {
      const isLost = silentMs >= goneAfterMs && (counted.get(name) ?? 0) >= goneAfterMs - silentAfterMs
      if (!isRemoved && !isLost) continue
      const fate = isRemoved ? 'removed' : 'lost'
      if (sandboxes > 0) await giveUpSandboxes(controller, name, fate)
      if (keepsSnapshots) await giveUpSnapshots(controller, name, `The host of this snapshot was ${fate}.`)
    }
  }
}

type Present = {
  host: string
  kind: 'socket' | 'network'
  silentMs: number
  sandboxes: number
  keepsSnapshots: boolean
  isRemoved: boolean
}

/** Or is about to keep or forget some. Written out, because a column's table is left away where a statement has only one. */
const KEEPS_SNAPSHOTS = sql.raw(
  "exists (select from snapshot where snapshot.host = host.id and snapshot.state <> 'failed')",
) as SQL<boolean>

async function lookAtHosts({ database: { db } }: Controller): Promise<Present[]> {
  return await db
    .select({
      host: host.id,
      kind: sql<'socket' | 'network'>`case when ${host.url} is null then 'socket' else 'network' end`,
      silentMs: sql`extract(epoch from clock_timestamp() - ${host.lastSeen}) * 1000`.mapWith(Number),
      sandboxes: host.reservedVms,
      keepsSnapshots: KEEPS_SNAPSHOTS,
      isRemoved: sql<boolean>`${host.removedAt} is not null`,
    })
    .from(host)
    .where(or(isNull(host.removedAt), gt(host.reservedVms, 0), KEEPS_SNAPSHOTS))
}
