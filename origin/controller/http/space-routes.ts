/** The routes of spaces: parse, call, translate. */
import type { Route } from '../../../shared/contracts/route.ts'
import { SPACE_ROUTES } from '../../../shared/contracts/spaces.ts'
import type { Principal } from '../accounts/principal.ts'
import type { SpaceRow } from '../database/schema/spaces.ts'
import { toRecord } from '../sandboxes/record.ts'
import { findSpace, listSpaces } from '../spaces/find-space.ts'
import { freezeSpace } from '../spaces/freeze-space.ts'
import { openSpace } from '../spaces/open-space.ts'
import { putSpace } from '../spaces/put-space.ts'
import { toSpaceRecord } from '../spaces/record.ts'
import { removeSpace } from '../spaces/remove-space.ts'
import { type Call, json, type Outcome, type Serve } from './serve-route.ts'

export function serveSpaces(serve: Serve<Principal>): void {
  serve(SPACE_ROUTES.put, async (call) =>
    told(call, await putSpace(call.controller, call.principal, call.reference, call.body)),
  )
  serve(SPACE_ROUTES.list, async ({ controller, principal, query }) => {
    const { rows, nextCursor } = await listSpaces(controller, principal, query)
    return json({ data: rows.map((row) => toSpaceRecord(row, controller.region.code)), next_cursor: nextCursor })
  })
  serve(SPACE_ROUTES.get, async (call) => told(call, await found(call)))
  serve(SPACE_ROUTES.open, async (call) => {
    const row = await openSpace(call.controller, call.principal, await found(call), call.arrival.timing)
    return json({ data: toRecord(row, call.controller) })
  })
  serve(SPACE_ROUTES.freeze, async (call) => told(call, await freezeSpace(call.controller, await found(call))))
  serve(SPACE_ROUTES.remove, async (call) => {
    await removeSpace(call.controller, await found(call), call.query.force === 'true')
    return { text: null }
  })
}

type Asked = Pick<Call<Route>, 'controller' | 'principal' | 'reference'>

const found = ({ controller, principal, reference }: Asked): Promise<SpaceRow> =>
  findSpace(controller, principal, reference)

const told = ({ controller }: Asked, row: SpaceRow): Outcome =>
  json({ data: toSpaceRecord(row, controller.region.code) })
