/** What the edge says of creates that it has made elsewhere. */
import { ORPHAN_ROUTES } from '../../../shared/contracts/orphans.ts'
import { abandonCreate } from '../sandboxes/abandon-create.ts'
import { json, type Serve } from './serve-route.ts'

export function serveOrphans(serve: Serve<null>): void {
  serve(ORPHAN_ROUTES.abandon, async ({ controller, body }) =>
    json({ data: { sandbox_id: await abandonCreate(controller, body) } }),
  )
}
