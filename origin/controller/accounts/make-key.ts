/** Making keys and their secrets. A key that makes another gives it nothing that it does not have itself, nor for longer. */
import { isDeepStrictEqual } from 'node:util'
import { and, count, eq } from 'drizzle-orm'
import { type KeyLimits, requireScope, type Scope, type Tier, tighten } from '../../../shared/accounts.ts'
import { AppError } from '../../../shared/errors.ts'
import { newApiKey } from '../../../shared/ids.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Controller } from '../controller.ts'
import { apiKey, tenant, tier } from '../database/schema/accounts.ts'
import { newAccountId } from './account-id.ts'
import type { KeyRow } from './acting-key.ts'
import { keyAnswer } from './key-answer.ts'
import type { AccountTx } from './write-account.ts'

export type KeyWish = {
  name: string
  purpose: string | null
  scopes: Scope[]
  expiresAt: Date | null
  limits: KeyLimits | null
  pin: string | null
  externalUser: string | null
}
export type NewKey = ReturnType<typeof keyAnswer> & { key: string; token: string }

const PREFIX_CHARS = 13
const SECRET_BYTES = 32

/** `parent` is the key that asks, or null for an operator. Throws insufficient_scope, invalid_request, account_limit. */
export async function makeKey(
  { accounts, clock, random }: Pick<Controller, 'accounts' | 'clock' | 'random'>,
  tx: AccountTx,
  version: number,
  tenantId: string,
  parent: KeyRow | null,
  wish: KeyWish,
): Promise<NewKey> {
  const owner = await tenantWithTier(tx, tenantId)
  const allowed = parent === null ? wish : withinParent(parent, wish, owner.limits, clock())
  await requireRoom(tx, tenantId)
  const secret = newSecret(random)
  const [row] = await tx
    .insert(apiKey)
    .values({
      ...allowed,
      id: newAccountId('key', clock()),
      hash: accounts.secrets.hashKey(secret),
      prefix: prefixOf(secret),
      tenant: tenantId,
      tier: owner.tier,
      status: 'active',
      keyVersion: 1,
      type: wish.externalUser === null ? 'user' : 'scoped',
      createdAt: new Date(clock()),
      version,
    })
    .returning()
  if (row === undefined) throw new Error('A key was not written.')
  return withSecret(row, owner.limits, secret, clock())
}

export const newSecret = (random: Controller['random']): string => newApiKey('live', random(SECRET_BYTES))
export const prefixOf = (secret: string): string => secret.slice(0, PREFIX_CHARS)

export const withSecret = (row: KeyRow, limits: Tier, secret: string, nowMs: number): NewKey => ({
  ...keyAnswer(row, limits, nowMs),
  key: secret,
  token: secret,
})

function withinParent(parent: KeyRow, wish: KeyWish, limits: Tier, nowMs: number): KeyWish {
  for (const scope of wish.scopes) requireScope(parent, scope)
  if (wish.expiresAt !== null && wish.expiresAt.getTime() <= nowMs) throw wrong('expires_at', 'must be in the future')
  if (parent.expiresAt !== null && wish.expiresAt !== null && wish.expiresAt > parent.expiresAt)
    throw wrong('expires_at', 'must not be later than that of the key that makes it')
  return {
    ...wish,
    expiresAt: wish.expiresAt ?? parent.expiresAt,
    limits: parent.limits === null ? wish.limits : tighten(tighten(limits, parent.limits), wish.limits),
  }
}

/** Whoever learns the secret of a key may all that it may. So nobody learns that of another which they could not have made. */
export function requireNoWider(actor: KeyRow, other: KeyRow, limits: Tier): void {
  if (actor.id === other.id) return
  for (const scope of other.scopes) requireScope(actor, scope)
  const mine = tighten(limits, actor.limits)
  const isBounded = isDeepStrictEqual(tighten(mine, other.limits), tighten(limits, other.limits))
  const outlives = actor.expiresAt !== null && (other.expiresAt === null || other.expiresAt > actor.expiresAt)
  if (isBounded && !outlives) return
  throw new AppError('key_too_narrow', 'This API key may less, or lives shorter, than the one that it asks for.')
}

const wrong = (field: string, what: string): AppError =>
  new AppError('invalid_request', `These fields are not valid: ${field}.`, { details: { [field]: [what] } })

export async function tenantWithTier(tx: Pick<AccountTx, 'select'>, id: string) {
  const [found] = await tx
    .select({ id: tenant.id, name: tenant.name, tier: tenant.tier, status: tenant.status, limits: tier })
    .from(tenant)
    .innerJoin(tier, eq(tier.name, tenant.tier))
    .where(eq(tenant.id, id))
  if (found === undefined) throw new AppError('not_found', 'There is no such tenant.')
  return found
}

async function requireRoom(tx: AccountTx, tenantId: string): Promise<void> {
  const [living] = await tx
    .select({ keys: count() })
    .from(apiKey)
    .where(and(eq(apiKey.tenant, tenantId), eq(apiKey.status, 'active')))
  if ((living?.keys ?? 0) >= LIMITS.apiKeysMax)
    throw new AppError('account_limit', `A tenant may have ${LIMITS.apiKeysMax} API keys.`)
}
