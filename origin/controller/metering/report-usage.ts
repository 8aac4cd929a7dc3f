/** What a tenant is told of its usage, out of the sums of this region. */
import type { UsageAmounts, UsageGroup, UsageQuery, UsageRow, UsageTotal } from '../../../shared/contracts/usage.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Controller } from '../controller.ts'
import type { Reach } from '../sandboxes/find-sandbox.ts'
import { type Period, periodOf, requireFewDays } from './period.ts'
import { readCurrency } from './rates.ts'
import { type SumRow, type Sums, sumUsage } from './sum-usage.ts'

export type UsagePage = { data: UsageRow[]; next_cursor: string | null }

export async function listUsage(controller: Controller, reach: Reach, query: UsageQuery): Promise<UsagePage> {
  const { database, region, clock } = controller
  const period = periodOf(query, clock())
  const grouping = query.group_by
  if (grouping === 'day') requireFewDays(period)
  const limit = query.limit ?? LIMITS.listRowsMax
  const [currency, rows] = await Promise.all([
    readCurrency(database.db),
    sumUsage(database.db, { reach, period, region: region.code, grouping, before: query.cursor, limit: limit + 1 }),
  ])
  const page = rows.slice(0, limit)
  return {
    data: page.map((row) => toRow(row, grouping, region.code, currency)),
    next_cursor: rows.length > limit ? (page.at(-1)?.id ?? null) : null,
  }
}

export async function totalUsage(controller: Controller, reach: Reach, period: Period): Promise<UsageTotal> {
  const { database, region } = controller
  const [currency, [row]] = await Promise.all([
    readCurrency(database.db),
    sumUsage(database.db, { reach, period, region: region.code, grouping: null, limit: 1 }),
  ])
  return {
    ...amountsOf(row ?? NOTHING),
    currency,
    from: period.from.toISOString(),
    to: period.to.toISOString(),
  }
}

export const NOTHING: Sums = {
  running: 0,
  paused: 0,
  vcpu: 0,
  memoryMib: 0,
  pausedMemoryMib: 0,
  diskMib: 0,
  cost: 0,
}

const SECOND = 1_000
const GIB = 1_024

const amountsOf = (sums: Sums): UsageAmounts => ({
  vcpu_seconds: sums.vcpu / SECOND,
  memory_gib_seconds: sums.memoryMib / SECOND / GIB,
  paused_memory_gib_seconds: sums.pausedMemoryMib / SECOND / GIB,
  disk_gib_seconds: sums.diskMib / SECOND / GIB,
  running_seconds: sums.running / SECOND,
  paused_seconds: sums.paused / SECOND,
  cost: sums.cost,
})

const toRow = (row: SumRow, grouping: UsageGroup, region: string, currency: string): UsageRow => ({
  id: row.id,
  region,
  ...named(grouping, row.key),
  ...amountsOf(row),
  currency,
})

function named(grouping: UsageGroup, key: string | null): Partial<UsageRow> {
  switch (grouping) {
    case 'day':
      return { day: key ?? '' }
    case 'sandbox':
      return { sandbox_id: key ?? '' }
    case 'workspace':
      return { workspace_id: key }
    case 'external_user':
      return { external_user_id: key }
  }
}
