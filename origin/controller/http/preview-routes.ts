/** The routes of previews: parse, call, translate. */
import { PREVIEW_ROUTES } from '../../../shared/contracts/previews.ts'
import type { Route } from '../../../shared/contracts/route.ts'
import type { Principal } from '../accounts/principal.ts'
import type { PreviewRow } from '../database/schema/previews.ts'
import type { SandboxRow } from '../database/schema/sandboxes.ts'
import {
  endShares,
  exposeAnswerOf,
  exposePort,
  findPreview,
  listPreviews,
  openPreview,
  previewAnswer,
  shutPreview,
} from '../previews/manage-previews.ts'
import { createShare, endShare, listShares } from '../previews/revocable-shares.ts'
import { sharePreview, tokenForPort } from '../previews/share-preview.ts'
import { findForChange, findSandbox } from '../sandboxes/find-sandbox.ts'
import { portOf } from '../templates/template-settings.ts'
import { type Call, json, type Serve } from './serve-route.ts'

export function servePreviews(serve: Serve<Principal>): void {
  serve(PREVIEW_ROUTES.expose, async (call) => {
    // Clients read the address where other answers have `data`.
    const row = await found(call)
    const port = call.body.port ?? (await portOf(call.controller.database.db, row))
    return json(exposeAnswerOf(call.controller, await exposePort(call.controller, row.id, port)))
  })
  serve(PREVIEW_ROUTES.create, async (call) => {
    const { port, visibility } = call.body
    const row = await openPreview(call.controller, await changed(call), port, visibility)
    return json({ data: previewAnswer(call.controller, row) }, PREVIEW_ROUTES.create.status)
  })
  serve(PREVIEW_ROUTES.list, async (call) => {
    const rows = await listPreviews(call.controller.database.db, await read(call))
    return json({ data: rows.map((row) => previewAnswer(call.controller, row)) })
  })
  serve(PREVIEW_ROUTES.get, async (call) =>
    json({ data: previewAnswer(call.controller, await named(call, await read(call))) }),
  )
  serve(PREVIEW_ROUTES.delete, async (call) => {
    await shutPreview(call.controller.database.db, await changed(call), call.params.preview ?? '')
    return { text: null }
  })
  serve(PREVIEW_ROUTES.share, async (call) =>
    json(await sharePreview(call.controller, await named(call, await changed(call)), call.body.ttl_seconds)),
  )
  serve(PREVIEW_ROUTES.revokeShare, async (call) => {
    await endShares(call.controller.database.db, await changed(call), call.params.preview ?? '')
    return { text: null }
  })
  serve(PREVIEW_ROUTES.createShare, async (call) => {
    const { port, expires_in: ttlSec } = call.body
    return json({ data: await createShare(call.controller, await found(call), { port, ttlSec }) })
  })
  serve(PREVIEW_ROUTES.listShares, async (call) => json({ data: await listShares(call.controller, await read(call)) }))
  serve(PREVIEW_ROUTES.deleteShare, async (call) => {
    await endShare(call.controller.database.db, await changed(call), call.params.share ?? '')
    return { text: null }
  })
  serve(PREVIEW_ROUTES.previewToken, async (call) => {
    const { port, expires_in: ttlSec } = call.body
    return json(await tokenForPort(call.controller, await found(call), { port, ttlSec }))
  })
}

type Asked = Pick<Call<Route>, 'controller' | 'principal' | 'reference' | 'params'>

/** The sandbox's id, found for reading or for a change. */
const read = async ({ controller, principal, reference }: Asked): Promise<string> =>
  (await findSandbox(controller.database.db, principal, reference, controller.region.code)).id
const changed = async (call: Asked): Promise<string> => (await found(call)).id
const found = ({ controller, principal, reference }: Asked): Promise<SandboxRow> =>
  findForChange(controller.database.db, principal, reference, controller.region.code)

const named = ({ controller, params }: Asked, sandboxId: string): Promise<PreviewRow> =>
  findPreview(controller.database.db, sandboxId, params.preview ?? '')
