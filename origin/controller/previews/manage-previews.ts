/** Opening and shutting ports. Whoever asks has found the sandbox already, and with it the right to change it. */
import { and, asc, eq, sql } from 'drizzle-orm'
import type { ExposeAnswer, PreviewRecord, Visibility } from '../../../shared/contracts/previews.ts'
import { AppError } from '../../../shared/errors.ts'
import { newId, parseId } from '../../../shared/ids.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Controller } from '../controller.ts'
import type { Db } from '../database/connect.ts'
import { type PreviewRow, preview } from '../database/schema/previews.ts'
import { tellEvent } from '../events/tell-event.ts'
import { changePreviews } from './change-previews.ts'
import { urlInfoOf } from './previews.ts'

const ID_BYTES = 16

/** What there is for the port stays as it is: a private preview is not made public by somebody who wants its address. */
export async function exposePort(controller: Controller, sandboxId: string, port: number): Promise<PreviewRow> {
  return (
    (await find(controller.database.db, sandboxId, port)) ?? openPreview(controller, sandboxId, port, 'public', 'keep')
  )
}

/** Two who open one port at once make one preview. Throws account_limit. */
export async function openPreview(
  { database: { db }, region, previews, clock, random }: Controller,
  sandboxId: string,
  port: number,
  visibility: Visibility,
  ifThere: 'change' | 'keep' = 'change',
): Promise<PreviewRow> {
  const kept = ifThere === 'change' ? sql`excluded.visibility` : preview.visibility
  const id = newId('prv', region.code, clock(), random(ID_BYTES))
  return await changePreviews(db, sandboxId, async (tx) => {
    const count = await tx.$count(preview, eq(preview.sandbox, sandboxId))
    if (count >= LIMITS.previewsPerSandboxMax && (await find(tx, sandboxId, port)) === undefined)
      throw new AppError('account_limit', `A sandbox has at most ${LIMITS.previewsPerSandboxMax} previews.`)
    const [made] = await tx
      .insert(preview)
      .values({ id, sandbox: sandboxId, port, visibility })
      .onConflictDoUpdate({ target: [preview.sandbox, preview.port], set: { visibility: kept } })
      .returning()
    if (made === undefined) throw new Error('An insert that changes what it finds gave no row.')
    if (made.id === id)
      await tellEvent(tx, sandboxId, 'sandbox.preview.ready', {
        preview_id: id,
        url: previews.urlOf(sandboxId, port),
        port,
      })
    return made
  })
}

async function find(db: Pick<Db, 'select'>, sandboxId: string, port: number): Promise<PreviewRow | undefined> {
  const [found] = await db
    .select()
    .from(preview)
    .where(and(eq(preview.sandbox, sandboxId), eq(preview.port, port)))
  return found
}

export const listPreviews = (db: Db, sandboxId: string): Promise<PreviewRow[]> =>
  db.select().from(preview).where(eq(preview.sandbox, sandboxId)).orderBy(asc(preview.createdAt), asc(preview.id))

/** Throws not_found. */
export async function findPreview(db: Db, sandboxId: string, id: string): Promise<PreviewRow> {
  const [found] = parseId(id, 'prv') === null ? [] : await db.select().from(preview).where(named(sandboxId, id))
  if (found === undefined) throw noSuchPreview()
  return found
}

/** Its shares end with it: another preview of the port has another id. Throws not_found. */
export async function shutPreview(db: Db, sandboxId: string, id: string): Promise<void> {
  const gone = await changePreviews(db, sandboxId, (tx) =>
    tx.delete(preview).where(named(sandboxId, id)).returning({ id: preview.id }),
  )
  if (gone.length === 0) throw noSuchPreview()
}

/** Throws not_found. */
export async function endShares(db: Db, sandboxId: string, id: string): Promise<void> {
  await changePreviews(db, sandboxId, async (tx) => {
    const [ended] = await tx
      .update(preview)
      .set({ round: sql`${preview.round} + 1` })
      .where(named(sandboxId, id))
      .returning({ port: preview.port })
    if (ended === undefined) throw noSuchPreview()
    await tellEvent(tx, sandboxId, 'sandbox.share.revoked', { preview_id: id, port: ended.port })
  })
}

const named = (sandboxId: string, id: string) => and(eq(preview.id, id), eq(preview.sandbox, sandboxId))
const noSuchPreview = (): AppError => new AppError('not_found', 'There is no such preview of this sandbox.')

export const previewAnswer = ({ previews }: Controller, row: PreviewRow): PreviewRecord => ({
  id: row.id,
  sandbox_id: row.sandbox,
  port: row.port,
  visibility: row.visibility,
  url: previews.urlOf(row.sandbox, row.port),
  created_at: row.createdAt.toISOString(),
})

export const exposeAnswerOf = ({ previews }: Controller, { sandbox, port }: PreviewRow): ExposeAnswer => ({
  ...urlInfoOf(previews.urlOf(sandbox, port)),
  port,
  alias_slug: null,
})
