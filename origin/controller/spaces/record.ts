/** A space as callers see it, from its row. Pure. */
import type { SpaceRecord } from '../../../shared/contracts/spaces.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { SpaceRow } from '../database/schema/spaces.ts'

export const toSpaceRecord = (row: SpaceRow, region: string): SpaceRecord => ({
  id: row.id,
  name: row.name,
  state: row.state,
  region,
  tenant_id: row.tenant,
  external_user_id: row.externalUser,
  sandbox_id: row.sandbox,
  has_state: row.snapshot !== null,
  idle_timeout_sec: row.spec.idle_timeout_sec ?? LIMITS.spaceIdleSecDefault,
  last_error: row.lastError,
  created_at: row.createdAt.toISOString(),
  opened_at: row.openedAt?.toISOString() ?? null,
  frozen_at: row.frozenAt?.toISOString() ?? null,
})
