/**
 * Lets a machine in that has a token. The machine made its certificate and its secret before it asked, so:
 *
 *   token          fingerprint                    what happens
 *   not used yet   unknown                        a new host
 *                  of a host of the same owner    that host, at its new address and with its new secret
 *                  of a host that was removed     that host again, for the owner of the token
 *                  of anybody else's host         host_taken
 *   used           and secret as when it joined   the same answer again, since the first one may have been lost
 *                  any other                      join_token_refused
 *
 * The lock on the token's row makes those who come at once take turns, so exactly one of them wins.
 */
import { and, count, eq, isNull, sql } from 'drizzle-orm'
import type { JoinBody } from '../../../shared/contracts/hosts.ts'
import { AppError } from '../../../shared/errors.ts'
import { isWellFormedJoinToken, newId } from '../../../shared/ids.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { sha256Hex } from '../accounts/edge-tokens.ts'
import type { Controller } from '../controller.ts'
import type { Db } from '../database/connect.ts'
import { host, hostToken } from '../database/schema/hosts.ts'
import { requirePublicUrl } from './address.ts'

type Tx = Parameters<Parameters<Db['transaction']>[0]>[0]
type Token = Pick<typeof hostToken.$inferSelect, 'id' | 'tenant' | 'usedAt' | 'host'> & { isExpired: boolean }

const ID_BYTES = 16

/** The id of the host. Throws what the machine should hear when it is not let in. */
export async function joinHost(controller: Controller, body: JoinBody): Promise<string> {
  if (!isWellFormedJoinToken(body.token)) throw refused('This is not a join token of ours.')
  return await controller.database.db.transaction(async (tx) => {
    const token = await lockToken(tx, body.token)
    if (token.tenant !== null && !controller.hostRules.arePrivateAllowed) requirePublicUrl(body.url)
    if (token.usedAt !== null) return answerAgain(tx, controller, token, body)
    if (token.isExpired) throw refused('This join token has expired.')
    const id = await enter(tx, controller, token.tenant, body)
    await tx.update(hostToken).set({ usedAt: sql`clock_timestamp()`, host: id }).where(eq(hostToken.id, token.id))
    return id
  })
}

async function lockToken(tx: Tx, token: string): Promise<Token> {
  const [found] = await tx
    .select({
      id: hostToken.id,
      tenant: hostToken.tenant,
      usedAt: hostToken.usedAt,
      host: hostToken.host,
      isExpired: sql<boolean>`${hostToken.expiresAt} <= clock_timestamp()`,
    })
    .from(hostToken)
    .where(eq(hostToken.hash, sha256Hex(token)))
    .for('update')
  if (found === undefined) throw refused('There is no such join token.')
  return found
}

/** Only the machine itself knows the secret, so it may also say that its address is another one by now. */
async function answerAgain(tx: Tx, { accounts }: Controller, token: Token, body: JoinBody): Promise<string> {
  const isPresent = and(eq(host.id, token.host ?? ''), isNull(host.removedAt))
  const [joined] = await tx.select().from(host).where(isPresent).for('update')
  const isSame =
    joined?.fingerprint === body.fingerprint &&
    joined.secret !== null &&
    sha256Hex(accounts.secrets.open(joined.secret)) === sha256Hex(body.secret)
  if (!isSame) throw refused('This join token was used already.')
  await tx.update(host).set({ url: body.url }).where(eq(host.id, joined.id))
  return joined.id
}

async function enter(tx: Tx, controller: Controller, tenant: string | null, body: JoinBody): Promise<string> {
  const { fingerprint, url } = body
  const secret = controller.accounts.secrets.seal(body.secret)
  const place = { url, secret, ...(body.name === undefined ? {} : { name: body.name }) }
  const [known] = await tx.select().from(host).where(eq(host.fingerprint, fingerprint)).for('update')
  if (known === undefined) {
    await requireRoomFor(tx, tenant)
    return insertHost(tx, { id: newHostId(controller), tenant, fingerprint, ...place })
  }
  const isOwners = known.tenant === tenant
  const mayReturn = known.removedAt !== null && known.reservedVms === 0
  if (!isOwners && !mayReturn) throw new AppError('host_taken', 'This machine has joined for somebody else.')
  if (known.removedAt !== null) await requireRoomFor(tx, tenant)
  const anew = { ...NOT_HEARD, removedAt: null, cordoned: false, drainStartedAt: null }
  await tx
    .update(host)
    .set({ ...place, tenant, ...(known.removedAt === null ? {} : anew) })
    .where(eq(host.id, known.id))
  return known.id
}

/** Two tokens may come with one certificate at the same moment. */
async function insertHost(
  tx: Tx,
  row: Pick<typeof host.$inferInsert, 'id' | 'tenant' | 'name' | 'url' | 'fingerprint' | 'secret'>,
): Promise<string> {
  const [made] = await tx
    .insert(host)
    .values({ ...row, ...NOT_HEARD })
    .onConflictDoNothing()
    .returning({ id: host.id })
  if (made === undefined) throw new AppError('state_conflict', 'This machine is just joining with another token.')
  return made.id
}

/** Each host costs every controller a poll a second. */
async function requireRoomFor(tx: Tx, tenant: string | null): Promise<void> {
  const [sums] = await tx
    .select({ all: count(), own: sql<number>`count(*) filter (where ${host.tenant} = ${tenant})`.mapWith(Number) })
    .from(host)
    .where(isNull(host.removedAt))
  if ((sums?.all ?? 0) >= LIMITS.hostsMax || (sums?.own ?? 0) >= LIMITS.hostsPerTenantMax)
    throw new AppError('host_limit', 'As many hosts as there may be have joined.')
}

/** It offers nothing until it has been asked what it has. */
const NOT_HEARD = {
  accepting: false,
  draining: false,
  offeredVcpus: 0,
  offeredMemoryMib: 0,
  offeredDiskMib: 0,
  offeredVms: 0,
  lastSeen: sql`clock_timestamp()`,
  joinedAt: sql`clock_timestamp()`,
}

const newHostId = ({ region, clock, random }: Controller): string =>
  newId('hst', region.code, clock(), random(ID_BYTES))

const refused = (message: string): AppError => new AppError('join_token_refused', message)
