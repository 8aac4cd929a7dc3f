/**
 * Links that open a private preview for a time. Nothing is stored of most but the event: one names the round of its preview, and ends with
 * that. One that can be ended by itself (revocable-shares.ts) also names its own row.
 */
import { SignJWT } from 'jose'
import type { PreviewTokenAnswer, ShareAnswer } from '../../../shared/contracts/previews.ts'
import { SHARE_TOKEN, type ShareClaims } from '../../../shared/preview-words.ts'
import type { Controller } from '../controller.ts'
import type { PreviewRow } from '../database/schema/previews.ts'
import type { SandboxRow } from '../database/schema/sandboxes.ts'
import { tellEvent } from '../events/tell-event.ts'
import { portOf } from '../templates/template-settings.ts'
import { listPreviews, openPreview } from './manage-previews.ts'

/** How much of a token is shown to tell it from others; all of them begin with the same header. */
const PREFIX_CHARS = 12

type Share = { token: string; expiresAt: Date; url: string; sharedUrl: string }

const makeShare = (controller: Controller, row: PreviewRow, ttlSec: number): Promise<Share> =>
  signShare(controller, row, Math.floor(controller.clock() / 1_000) + ttlSec)

type Signed = Pick<PreviewRow, 'id' | 'sandbox' | 'port' | 'round'>

/** The same every time for the same share. `exp` is in Unix seconds. */
export async function signShare({ previews }: Controller, row: Signed, exp: number, share?: string): Promise<Share> {
  const named = share === undefined ? {} : { share }
  const claims: ShareClaims = { sub: row.id, sandbox: row.sandbox, port: row.port, round: row.round, ...named, exp }
  const jwt = await new SignJWT(claims)
    .setProtectedHeader({ alg: SHARE_TOKEN.algorithm, typ: SHARE_TOKEN.type })
    .setIssuer(SHARE_TOKEN.issuer)
    .setAudience(SHARE_TOKEN.audience)
    .sign(previews.shareSecret)
  const token = SHARE_TOKEN.prefix + jwt
  const url = previews.urlOf(row.sandbox, row.port)
  return { token, expiresAt: new Date(exp * 1_000), url, sharedUrl: `${url}/?${SHARE_TOKEN.parameter}=${token}` }
}

export async function sharePreview(controller: Controller, row: PreviewRow, ttlSec: number): Promise<ShareAnswer> {
  const { token, expiresAt, sharedUrl } = await makeShare(controller, row, ttlSec)
  const told = { preview_id: row.id, port: row.port, expires_at: expiresAt.toISOString() }
  await tellEvent(controller.database.db, row.sandbox, 'sandbox.share.created', told)
  const words = { preview_token: token, share_url: sharedUrl }
  return {
    data: {
      id: row.id,
      share_token_prefix: token.slice(0, PREFIX_CHARS),
      share_token_expires_at: expiresAt.toISOString(),
      ...words,
    },
    ...words,
  }
}

/** What of a sandbox says which port is its first. */
export type Shared = Pick<SandboxRow, 'id' | 'tenant' | 'template'>
export type PortWish = { port: number | undefined; ttlSec: number }

/** That of the port, or the first of all. What is not open yet is opened to those with a share only. */
export async function previewToShare(controller: Controller, sandbox: Shared, wish: PortWish): Promise<PreviewRow> {
  const open = await listPreviews(controller.database.db, sandbox.id)
  const found = wish.port === undefined ? open[0] : open.find(({ port }) => port === wish.port)
  const port = wish.port ?? (await portOf(controller.database.db, sandbox))
  return found ?? (await openPreview(controller, sandbox.id, port, 'private', 'keep'))
}

export async function tokenForPort(
  controller: Controller,
  sandbox: Shared,
  wish: PortWish,
): Promise<PreviewTokenAnswer> {
  const row = await previewToShare(controller, sandbox, wish)
  const { token, expiresAt, url, sharedUrl } = await makeShare(controller, row, wish.ttlSec)
  return { data: { token, url, embed_url: sharedUrl, expires_at: expiresAt.toISOString(), scope: 'read' } }
}
