/**
 * Gives up a create that the edge has made in another region. The claim on its key becomes final, whether the request has been served, is
 * under way, or has not come yet; in the same transaction the row of its sandbox ends, so that a crash leaves neither without the other.
 */
import { and, eq, sql } from 'drizzle-orm'
import type { Orphan } from '../../../shared/contracts/orphans.ts'
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Controller } from '../controller.ts'
import { idempotency } from '../database/schema/idempotency.ts'
import type { SandboxRow } from '../database/schema/sandboxes.ts'
import { claimRoute, keptError } from './claim.ts'
import { clearHost } from './clear-host.ts'
import { moveSandbox } from './move-sandbox.ts'

/** Of a claim that will never have a sandbox: who works on the create finds that the claim is not theirs any more. */
const NO_SANDBOX = ''

/** The id of the sandbox that was destroyed, or null when there was none to destroy. */
export async function abandonCreate(controller: Controller, orphan: Orphan): Promise<string | null> {
  const destroyed = await takeOver(controller, orphan)
  if (destroyed === undefined) return null
  controller.log('info', 'sandbox.abandoned', { sandbox: destroyed.id, owner: orphan.owner })
  await clearHost(controller, destroyed)
  return destroyed.id
}

function takeOver(controller: Controller, orphan: Orphan): Promise<SandboxRow | undefined> {
  const claim = {
    tenant: orphan.tenant,
    route: claimRoute(orphan.door, orphan.external_user_id ?? null),
    key: orphan.idempotency_key,
  }
  const ended = {
    fingerprint: orphan.body_sha256,
    sandbox: NO_SANDBOX,
    instance: controller.instance.number,
    ...keptError(elsewhere(orphan.owner)),
    expiresAt: sql`clock_timestamp() + make_interval(secs => ${LIMITS.idempotencyTtlSec})`,
  }
  return controller.database.db.transaction(async (tx) => {
    // The assignment changes nothing; it locks the row that is there, so that its owner waits for us or we for it.
    const [before] = await tx
      .insert(idempotency)
      .values({ ...claim, ...ended })
      .onConflictDoUpdate({
        target: [idempotency.tenant, idempotency.route, idempotency.key],
        set: { key: claim.key },
      })
      .returning({
        sandbox: idempotency.sandbox,
        fingerprint: idempotency.fingerprint,
        isForgotten: sql<boolean>`${idempotency.expiresAt} <= clock_timestamp()`,
      })
    const isOfThisRequest = before?.fingerprint === orphan.body_sha256
    if (before === undefined || (!isOfThisRequest && !before.isForgotten)) return undefined
    await tx
      .update(idempotency)
      .set(ended)
      .where(
        and(eq(idempotency.tenant, claim.tenant), eq(idempotency.route, claim.route), eq(idempotency.key, claim.key)),
      )
    if (before.isForgotten || before.sandbox === NO_SANDBOX) return undefined
    return moveSandbox(tx, before.sandbox, 'destroy')
  })
}

const elsewhere = (owner: string): AppError =>
  new AppError('idempotency_elsewhere', `The sandbox of this Idempotency-Key was made in the region ${owner}.`, {
    details: { region: owner },
  })
