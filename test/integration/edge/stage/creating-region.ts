/** A fake region that makes sandboxes as a real one does, as far as keys go: one for each, its answer replayed, none after it was given up. */
import { aSandboxIn } from './edge-stage.ts'
import { answerJson, type FakeRegion, type Received, type Responder } from './fake-region.ts'

export type CreatingRegion = {
  region: FakeRegion
  /** By key, those that were not given up; of what came without any key there is nothing here. */
  living: () => Map<string, string>
  /** To be answered with; a test may do something before, or instead. */
  create: Responder
}

export const keyOf = ({ headers }: Received): string => String(headers['idempotency-key'])

export function makeCreating(region: FakeRegion): CreatingRegion {
  const made = new Map<string, string>()
  const isGivenUp = (key: string): boolean => region.orphans.some(({ idempotency_key }) => idempotency_key === key)
  const create: Responder = (received, response) => {
    const key = keyOf(received)
    if (isGivenUp(key))
      return answerJson(response, 409, { error: { code: 'idempotency_elsewhere' } }, { 'idempotent-replayed': 'true' })
    const known = made.get(key)
    const id = known ?? aSandboxIn(region.code)
    made.set(key, id)
    const replayed: Record<string, string> = known === undefined ? {} : { 'idempotent-replayed': 'true' }
    answerJson(response, 201, { data: { id } }, replayed)
  }
  region.respond(create)
  return { region, create, living: () => new Map([...made].filter(([key]) => !isGivenUp(key))) }
}
