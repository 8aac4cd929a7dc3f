/** Links that can be ended one by one. Each has a row, and ends with it, with its time, or with the round of its preview. */
import { and, asc, eq, gt, inArray, lte } from 'drizzle-orm'
import type { ShareRecord } from '../../../shared/contracts/previews.ts'
import { AppError } from '../../../shared/errors.ts'
import { newId, parseId } from '../../../shared/ids.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Controller } from '../controller.ts'
import type { Db } from '../database/connect.ts'
import { type PreviewRow, type PreviewShareRow, preview, previewShare } from '../database/schema/previews.ts'
import { tellEvent } from '../events/tell-event.ts'
import { changePreviews } from './change-previews.ts'
import { type PortWish, previewToShare, type Shared, signShare } from './share-preview.ts'

const ID_BYTES = 16

/** Throws account_limit. What is over makes room first. */
export async function createShare(controller: Controller, sandbox: Shared, wish: PortWish): Promise<ShareRecord> {
  const { database, clock, random, region } = controller
  const row = await previewToShare(controller, sandbox, wish)
  const now = clock()
  const id = newId('shr', region.code, now, random(ID_BYTES))
  // As the token says it, so that both end in the same second.
  const expiresAt = new Date((Math.floor(now / 1_000) + wish.ttlSec) * 1_000)
  const made = await changePreviews(database.db, sandbox.id, async (tx) => {
    const ofSandbox = tx.select({ id: preview.id }).from(preview).where(eq(preview.sandbox, sandbox.id))
    await tx
      .delete(previewShare)
      .where(and(inArray(previewShare.preview, ofSandbox), lte(previewShare.expiresAt, new Date(now))))
    if ((await tx.$count(previewShare, inArray(previewShare.preview, ofSandbox))) >= LIMITS.sharesPerSandboxMax)
      throw new AppError('account_limit', `A sandbox has at most ${LIMITS.sharesPerSandboxMax} shares.`)
    const [share] = await tx
      .insert(previewShare)
      .values({ id, preview: row.id, round: row.round, expiresAt })
      .returning()
    if (share === undefined) throw new Error('An insert gave no row.')
    const told = { share_id: id, preview_id: row.id, port: row.port, expires_at: expiresAt.toISOString() }
    await tellEvent(tx, sandbox.id, 'sandbox.share.created', told)
    return share
  })
  return toShareRecord(controller, row, made)
}

/** Those that still open something. */
export async function listShares(controller: Controller, sandboxId: string): Promise<ShareRecord[]> {
  const rows = await controller.database.db
    .select({ preview, share: previewShare })
    .from(previewShare)
    .innerJoin(preview, and(eq(preview.id, previewShare.preview), eq(preview.round, previewShare.round)))
    .where(and(eq(preview.sandbox, sandboxId), gt(previewShare.expiresAt, new Date(controller.clock()))))
    .orderBy(asc(previewShare.createdAt), asc(previewShare.id))
  return Promise.all(rows.map((found) => toShareRecord(controller, found.preview, found.share)))
}

/** Throws not_found. */
export async function endShare(db: Db, sandboxId: string, id: string): Promise<void> {
  if (parseId(id, 'shr') === null) throw noSuchShare()
  await changePreviews(db, sandboxId, async (tx) => {
    const ofSandbox = tx.select({ id: preview.id }).from(preview).where(eq(preview.sandbox, sandboxId))
    const [ended] = await tx
      .delete(previewShare)
      .where(and(eq(previewShare.id, id), inArray(previewShare.preview, ofSandbox)))
      .returning({ preview: previewShare.preview })
    if (ended === undefined) throw noSuchShare()
    await tellEvent(tx, sandboxId, 'sandbox.share.revoked', { share_id: id, preview_id: ended.preview })
  })
}

async function toShareRecord(controller: Controller, row: PreviewRow, share: PreviewShareRow): Promise<ShareRecord> {
  const exp = Math.floor(share.expiresAt.getTime() / 1_000)
  const { sharedUrl } = await signShare(controller, { ...row, round: share.round }, exp, share.id)
  return {
    share_id: share.id,
    share_url: sharedUrl,
    port: row.port,
    scope: 'read',
    expires_at: share.expiresAt.toISOString(),
    created_at: share.createdAt.toISOString(),
  }
}

const noSuchShare = (): AppError => new AppError('not_found', 'There is no such share of this sandbox.')
