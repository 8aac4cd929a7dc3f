/** A change that a tenant's key asks for: one transaction of the accounts, judged by the key as it is inside it, answered once per Idempotency-Key. */
import type { Controller } from '../controller.ts'
import { actingKey, type KeyRow } from './acting-key.ts'
import { answerOnce, type OnceAnswer, type OnceClaim } from './answer-once.ts'
import type { Principal } from './principal.ts'
import { type AccountTx, withAccountWrite } from './write-account.ts'

/** Throws owner_key_required, invalid_token, revoked_token, and what `work` throws. */
export async function changeAccounts<T>(
  { accounts, database }: Controller,
  principal: Principal,
  work: (tx: AccountTx, version: number, actor: KeyRow) => Promise<T>,
): Promise<T> {
  const changed = await withAccountWrite(database.db, async (tx, version) =>
    work(tx, version, await actingKey(tx, principal)),
  )
  accounts.changed()
  return changed
}

/** The same for what makes something, and must not make it twice. Throws idempotency_key_reused, too. */
export function makeInAccounts(
  controller: Controller,
  principal: Principal,
  claim: OnceClaim | undefined,
  make: (tx: AccountTx, version: number, actor: KeyRow) => Promise<{ id: string }>,
): Promise<OnceAnswer> {
  return changeAccounts(controller, principal, (tx, version, actor) =>
    answerOnce(tx, controller, claim, async () => {
      const made = await make(tx, version, actor)
      return { text: JSON.stringify({ data: made }), made: made.id }
    }),
  )
}
