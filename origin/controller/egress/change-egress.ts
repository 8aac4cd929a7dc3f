/** A change of what a tenant says of egress: a write of the accounts, which those whom it concerns go by before it is answered, where that can be. */
import { setTimeout as sleep } from 'node:timers/promises'
import { and, eq, inArray, sql } from 'drizzle-orm'
import { LIMITS } from '../../../shared/limits.ts'
import { changeAccounts } from '../accounts/change-accounts.ts'
import type { Principal } from '../accounts/principal.ts'
import type { AccountTx } from '../accounts/write-account.ts'
import type { Controller } from '../controller.ts'
import { sandbox } from '../database/schema/sandboxes.ts'
import { describeError } from '../log.ts'
import { settleEgress } from './settle-egress.ts'

/** `resource` is the only sandbox that it concerns, or null for all. */
export type Changed<T> = { value: T; resource: string | null }

/** Throws owner_key_required, invalid_token, revoked_token, and what `work` throws. */
export async function changeEgress<T>(
  controller: Controller,
  principal: Principal,
  work: (tx: AccountTx, version: number) => Promise<Changed<T>>,
): Promise<T> {
  const { value, resource } = await changeAccounts(controller, principal, (tx, version) => work(tx, version))
  if (resource !== null) await settleSoon(controller, resource)
  else controller.background.follow(settleTenant(controller, principal.tenant))
  return value
}

/** A host that hangs keeps nobody from an answer for long. */
async function settleSoon(controller: Controller, id: string): Promise<void> {
  const settled = settleNow(controller, id)
  controller.background.follow(settled)
  const patience = new AbortController()
  await Promise.race([settled, sleep(LIMITS.egressToldMs, undefined, { signal: patience.signal }).catch(() => {})])
  patience.abort()
}

/** A host that cannot be told now is told by the reconciler; other regions follow the accounts. */
async function settleNow(controller: Controller, id: string): Promise<void> {
  await settleEgress(controller, id).catch((err: unknown) =>
    controller.log('warn', 'egress.not_settled', { sandbox: id, error: describeError(err) }),
  )
}

/** The first of them at once; however many there are, the reconciler goes through all. */
async function settleTenant(controller: Controller, tenant: string): Promise<void> {
  const rows = await controller.database.db
    .select({ id: sandbox.id })
    .from(sandbox)
    .where(and(eq(sandbox.tenant, tenant), inArray(sandbox.state, ['running', 'snapshotting'])))
    .orderBy(sql`random()`)
    .limit(LIMITS.egressSettleAtOnceMax)
  for (const { id } of rows) if (!controller.isDraining()) await settleNow(controller, id)
}
