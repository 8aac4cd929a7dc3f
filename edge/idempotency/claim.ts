/** Which claim a key makes in a region: the same key of another end user, or at another door, is another one. */
import type { Call } from '../requests/classify-request.ts'
import type { Visit } from '../requests/visit.ts'

/** As shared/contracts/orphans.ts names them; nothing is ever given up of a run. */
export type ClaimDoor = 'create' | 'podflare' | 'run'

/** Null for what makes no sandbox. */
export function doorOf(call: Call): ClaimDoor | null {
  if (call.class === 'create-run') return 'run'
  if (call.class !== 'create') return null
  return call.path.startsWith('/podflare/') ? 'podflare' : 'create'
}

export const claimText = ({ key }: Pick<Visit, 'key'>, door: ClaimDoor, idempotencyKey: string): string =>
  JSON.stringify([key.tenant, door, key.externalUser ?? null, idempotencyKey])
