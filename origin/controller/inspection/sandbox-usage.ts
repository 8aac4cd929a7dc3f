/** What one sandbox has used so far. */
import type { SandboxUsage } from '../../../shared/contracts/inspection.ts'
import type { Controller } from '../controller.ts'
import type { SandboxRow } from '../database/schema/sandboxes.ts'
import { NOTHING } from '../metering/report-usage.ts'
import { sumUsage } from '../metering/sum-usage.ts'
import { readStats } from './measure.ts'

/** Further than any clock of ours goes ahead of the database's; what is open counts up to that one's now. */
const AHEAD_MS = 24 * 3_600_000
const CENTS = 100

export async function usageOf(controller: Controller, row: SandboxRow): Promise<SandboxUsage> {
  const { database, region, clock } = controller
  const now = clock()
  const [[sums = NOTHING], stats] = await Promise.all([
    sumUsage(database.db, {
      reach: { tenant: row.tenant, externalUser: null, sandbox: row.id },
      period: { from: new Date(0), to: new Date(now + AHEAD_MS) },
      region: region.code,
      grouping: null,
      limit: 1,
    }),
    readStats(controller, row),
  ])
  return {
    sandbox_id: row.id,
    state: row.state,
    runtime_sec: Math.floor(sums.running / 1_000),
    provisioned_vcpu_ms: sums.vcpu,
    provisioned_memory_mb_ms: sums.memoryMib,
    creation_count: 1,
    active_cpu_ms: stats === null ? 0 : Math.round(stats.cpu_ms),
    network_ingress_bytes: stats?.egress_down_bytes ?? 0,
    network_egress_bytes: stats?.egress_up_bytes ?? 0,
    measurement_status: {
      active_cpu: stats === null ? 'unavailable' : 'measured',
      network: stats?.egress_up_bytes === undefined ? 'unavailable' : 'measured',
      provisioned_resources: 'measured',
    },
    estimated_cost_cents: Number((sums.cost * CENTS).toFixed(4)),
    timeout_sec: row.timeoutSec,
    timeout_remaining_ms: row.expiresAt === null ? null : Math.max(0, row.expiresAt.getTime() - now),
  }
}
