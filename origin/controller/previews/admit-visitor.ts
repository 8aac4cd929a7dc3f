/**
 * Whether a visitor may see a port of a sandbox. Asked anew for every request, so that what was shut or revoked is shut at once.
 *
 *              a share of this round   no share, or another
 *   no preview                  not found
 *   public                      let in
 *   private    let in                  a share is required
 *
 * A share that can be revoked by itself is one of this round for as long as its row is there.
 *
 * Who is not let in does not learn what became of the sandbox.
 */
import { and, eq } from 'drizzle-orm'
import { AppError } from '../../../shared/errors.ts'
import type { PassClaims } from '../../../shared/preview-words.ts'
import { suspended } from '../accounts/principal.ts'
import type { Db } from '../database/connect.ts'
import { tenant } from '../database/schema/accounts.ts'
import { type PreviewRow, preview, previewShare } from '../database/schema/previews.ts'
import { SANDBOX_COLUMNS, type SandboxRow, sandbox } from '../database/schema/sandboxes.ts'

export type Verdict = 'let-in' | 'not-found' | 'share-required'

/** `keptShare` is the id of the share that is still there. */
export function judge(
  found: Pick<PreviewRow, 'id' | 'visibility' | 'round'> | undefined,
  share: PassClaims['share'],
  keptShare: string | null = null,
): Verdict {
  if (found === undefined) return 'not-found'
  if (found.visibility === 'public') return 'let-in'
  const isOfRound = share?.preview === found.id && share.round === found.round
  return isOfRound && (share.id === undefined || share.id === keptShare) ? 'let-in' : 'share-required'
}

/** The sandbox. Throws preview_not_found, preview_token_required, sandbox_not_found, tenant_suspended. */
export async function admitVisitor(db: Db, pass: PassClaims): Promise<SandboxRow> {
  const [found] = await db
    .select({
      preview: { id: preview.id, visibility: preview.visibility, round: preview.round },
      row: SANDBOX_COLUMNS,
      tenantStatus: tenant.status,
      keptShare: previewShare.id,
    })
    .from(preview)
    .innerJoin(sandbox, eq(sandbox.id, preview.sandbox))
    .innerJoin(tenant, eq(tenant.id, sandbox.tenant))
    .leftJoin(previewShare, and(eq(previewShare.id, pass.share?.id ?? ''), eq(previewShare.preview, preview.id)))
    .where(and(eq(preview.sandbox, pass.sandbox), eq(preview.port, pass.port)))
  const verdict = judge(found?.preview, pass.share, found?.keptShare)
  if (verdict === 'not-found' || found === undefined)
    throw new AppError('preview_not_found', 'There is no such preview.')
  if (verdict === 'share-required') throw shareRequired(pass)
  if (found.tenantStatus !== 'active') throw suspended()
  if (found.row.state === 'destroyed')
    throw new AppError('sandbox_not_found', 'The sandbox of this preview was destroyed.')
  return found.row
}

const shareRequired = ({ share, hasBadShare }: PassClaims): AppError =>
  new AppError(
    'preview_token_required',
    share !== undefined || hasBadShare
      ? 'This link to the preview has expired or was revoked.'
      : 'This preview is private: it opens only by a link that its owner shares.',
  )
