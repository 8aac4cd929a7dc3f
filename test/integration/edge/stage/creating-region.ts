/** A fake region that makes sandboxes as a real one does, as far as keys go: one for each, its answer replayed, none after it was given up. */
import { createHash } from 'node:crypto'
import { aSandboxIn } from './edge-stage.ts'
import { answerJson, type FakeRegion, type Received, type Responder, resetConnection } from './fake-region.ts'

type Made = { id: string; body: string }

export type CreatingRegion = {
  /** The sandboxes that it has, by key. */
  living: () => Map<string, string>
  create: Responder
  /** Makes the sandbox, and the connection breaks before anybody hears of it. */
  createUnheard: Responder
}

export const sha256 = (data: string | Buffer): string => createHash('sha256').update(data).digest('hex')
const keyOf = ({ headers }: Received): string => String(headers['idempotency-key'])

export function makeCreating(region: FakeRegion): CreatingRegion {
  const made = new Map<string, Made>()
  const isGivenUp = (key: string, body: string): boolean =>
    !region.keepsOrphans() &&
    region.orphans.some(({ idempotency_key, body_sha256 }) => idempotency_key === key && body_sha256 === body)
  const make = (received: Received): { status: number; body: object; isReplay: boolean } => {
    const [key, body] = [keyOf(received), sha256(received.body)]
    if (isGivenUp(key, body)) return { status: 409, body: { error: { code: 'idempotency_elsewhere' } }, isReplay: true }
    const known = made.get(key)
    if (known !== undefined && known.body !== body)
      return { status: 422, body: { error: { code: 'idempotency_key_reused' } }, isReplay: false }
    const id = known?.id ?? aSandboxIn(region.code)
    made.set(key, { id, body })
    return { status: 201, body: { data: { id } }, isReplay: known !== undefined }
  }
  const create: Responder = (received, response) => {
    const { status, body, isReplay } = make(received)
    answerJson(response, status, body, isReplay ? { 'idempotent-replayed': 'true' } : {})
  }
  const createUnheard: Responder = (received, response, request) => {
    make(received)
    return resetConnection(received, response, request)
  }
  region.respond(create)
  const living = (): Map<string, string> =>
    new Map([...made].filter(([key, { body }]) => !isGivenUp(key, body)).map(([key, { id }]) => [key, id]))
  return { create, createUnheard, living }
}
