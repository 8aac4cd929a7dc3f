/** From a request for a terminal's WebSocket to the conversation with its agent. */
import type { IncomingMessage } from 'node:http'
import { TERMINAL_ROUTES } from '../../../shared/contracts/terminals.ts'
import type { Controller } from '../controller.ts'
import { checkQuery } from '../http/read-body.ts'
import { type Conversation, type GuestAsking, openGuestStream } from '../sandboxes/ask-guest.ts'
import { pathOf } from './manage-terminals.ts'

export type Wish = { reference: string; session: string; query: Record<string, string[]> }

const PATH = new RegExp(
  `^(?:/api)?${TERMINAL_ROUTES.connect.path.replace(':id', '([^/]+)').replace(':session', '([^/]+)')}/?$`,
)

/** Null for what asks for no WebSocket of a terminal. */
export function readWish({ method, url = '', headers }: IncomingMessage): Wish | null {
  if (method !== 'GET' || headers.upgrade?.toLowerCase() !== 'websocket') return null
  const [path = '', search = ''] = url.split('?', 2)
  const [, reference, session] = PATH.exec(path) ?? []
  if (reference === undefined || session === undefined) return null
  return { reference: decoded(reference), session: decoded(session), query: valuesOf(new URLSearchParams(search)) }
}

/** The sandbox is woken when it is paused. Throws what the caller should hear. */
export function attach(
  controller: Controller,
  asking: Omit<GuestAsking, 'reference'>,
  { reference, session, query }: Wish,
): Promise<Conversation> {
  const { cursor } = checkQuery(TERMINAL_ROUTES.connect.query, query)
  const path = `${pathOf(session)}/attach?place=${cursor}`
  return openGuestStream(controller, { ...asking, reference }, { method: 'POST', path })
}

const valuesOf = (parameters: URLSearchParams): Record<string, string[]> =>
  Object.fromEntries([...new Set(parameters.keys())].map((name) => [name, parameters.getAll(name)]))

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    return segment
  }
}
