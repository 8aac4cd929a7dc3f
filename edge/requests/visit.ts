/** One request on its way through the edge: everything that was found out about it before it is routed. */
import type { Tier } from '../../shared/accounts.ts'
import type { EdgeClaims } from '../../shared/edge-token.ts'
import type { RegionRegistry } from '../../shared/regions.ts'
import type { Caller } from '../accounts/identify-caller.ts'
import type { Bindings } from '../bindings.ts'
import type { Config } from '../config.ts'
import type { Reading } from '../kv/kept-copies.ts'
import type { Geography } from '../steering/whereabouts.ts'
import type { Body } from './body.ts'
import type { Call } from './classify-request.ts'
import type { Peeked } from './peek-body.ts'

/** What is known of a request before anything is asked of KV. */
export type Arrival = {
  request: Request
  bindings: Bindings
  reading: Reading
  requestId: string
  startedAtMs: number
}

export type Visit = Arrival & {
  config: Config
  registry: RegionRegistry
  call: Call
  key: Caller
  /** Of its tier, tightened by those of the key. */
  tier: Tier
  /** What of its rates the edge cannot count. */
  uncounted: EdgeClaims['uncounted']
  body: Body
  /** Undefined when the body is not in hand. */
  peeked: Peeked | undefined
  /** The client's own. */
  idempotencyKey: string | null
  isUpgrade: boolean
  /** X-Timeout-Ms; null when the caller did not ask for any. */
  askedMs: number | null
  deadlineMs: number
  /** For one attempt; null when it may take all the time there is. */
  attemptMs: number | null
  geography: Geography
}
