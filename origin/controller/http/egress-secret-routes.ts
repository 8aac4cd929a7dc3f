/** The routes of secrets and their bindings: parse, call, translate. A value is in no answer. */
import { EGRESS_SECRET_ROUTES } from '../../../shared/contracts/egress-secrets.ts'
import { AppError } from '../../../shared/errors.ts'
import type { Principal } from '../accounts/principal.ts'
import { createBinding, listBindings, removeBinding, toBindingRecord } from '../egress/bindings.ts'
import { toSecretRecord } from '../egress/secret-record.ts'
import { findSecret, listSecrets, removeSecret, setSecret, updateSecret } from '../egress/secrets.ts'
import { asOwner } from './as-owner.ts'
import { json, type Serve } from './serve-route.ts'

export function serveEgressSecrets(serve: Serve<Principal>): void {
  serve(
    EGRESS_SECRET_ROUTES.listSecrets,
    asOwner(async ({ controller, principal, query }) => {
      const { rows, nextCursor } = await listSecrets(controller.database.db, principal.tenant, query)
      return json({ data: rows.map(toSecretRecord), next_cursor: nextCursor })
    }),
  )
  serve(
    EGRESS_SECRET_ROUTES.createSecret,
    asOwner(async ({ controller, principal, body }) =>
      json({ data: toSecretRecord(await setSecret(controller, principal, body)) }),
    ),
  )
  serve(
    EGRESS_SECRET_ROUTES.getSecret,
    asOwner(async ({ controller, principal, reference }) =>
      json({ data: toSecretRecord(await findSecret(controller.database.db, principal.tenant, reference)) }),
    ),
  )
  serve(
    EGRESS_SECRET_ROUTES.updateSecret,
    asOwner(async ({ controller, principal, reference, body }) =>
      json({ data: toSecretRecord(await updateSecret(controller, principal, reference, body)) }),
    ),
  )
  serve(
    EGRESS_SECRET_ROUTES.removeSecret,
    asOwner(async ({ controller, principal, reference }) => {
      await removeSecret(controller, principal, reference)
      return { text: null }
    }),
  )
  serve(
    EGRESS_SECRET_ROUTES.listBindings,
    asOwner(async ({ controller, principal, query }) => {
      const { rows, nextCursor } = await listBindings(controller.database.db, principal.tenant, query)
      return json({ data: rows.map(toBindingRecord), next_cursor: nextCursor })
    }),
  )
  serve(
    EGRESS_SECRET_ROUTES.createBinding,
    asOwner(async ({ controller, principal, body }) =>
      json({ data: toBindingRecord(await createBinding(controller, principal, body)) }),
    ),
  )
  serve(
    EGRESS_SECRET_ROUTES.removeBinding,
    asOwner(async ({ controller, principal, reference }) => {
      await removeBinding(controller, principal, reference)
      return { text: null }
    }),
  )
  serve(
    EGRESS_SECRET_ROUTES.oauthProviders,
    asOwner(async () => json({ data: [] })),
  )
  serve(
    EGRESS_SECRET_ROUTES.oauthStart,
    asOwner(async () => {
      throw new AppError(
        'not_supported',
        'This server connects no services by OAuth; keep a key of the service as a secret.',
        {
          details: { fields: ['provider'] },
        },
      )
    }),
  )
  serve(
    EGRESS_SECRET_ROUTES.oauthStatus,
    asOwner(async () => json({ data: { status: 'failed', error: 'No connection by OAuth was begun here.' } })),
  )
}
