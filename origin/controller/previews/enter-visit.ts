/** Lets one request of a visitor in: this process has room, the edge has said whose request it is, and the owner lets them see the port. */
import type { IncomingMessage } from 'node:http'
import { AppError } from '../../../shared/errors.ts'
import { type PassClaims, PREVIEW_PASS } from '../../../shared/preview-words.ts'
import type { Controller } from '../controller.ts'
import type { SandboxRow } from '../database/schema/sandboxes.ts'
import { type Arrival, header } from '../http/arrival.ts'
import { admitVisitor } from './admit-visitor.ts'

/** As logs and metrics name it. */
export const VISIT_ROUTE = `${PREVIEW_PASS.path}/:sandbox/:port`
export const isVisit = ({ url }: IncomingMessage): boolean => url?.startsWith(`${PREVIEW_PASS.path}/`) === true

/** `leave` is to be called when it is over. */
export type Visit = { pass: PassClaims; row: SandboxRow; leave: () => void }

/** Throws draining, invalid_token, capacity_exhausted, port_busy, and what `admitVisitor` throws. */
export async function enterVisit({ previews, database, isDraining }: Controller, arrival: Arrival): Promise<Visit> {
  arrival.route = VISIT_ROUTE
  if (isDraining()) throw new AppError('draining', 'This controller is about to stop.')
  const word = header(arrival, PREVIEW_PASS.header)
  if (word === undefined || previews.readPass === undefined)
    throw new AppError('invalid_token', 'Previews are visited at their own addresses.')
  const pass = await previews.readPass(word, arrival)
  arrival.requestId = pass.requestId
  const row = await admitVisitor(database.db, pass)
  arrival.caller = { tenant: row.tenant, key: 'visitor' }
  return { pass, row, leave: previews.crowd.enter(row.tenant) }
}
