/** What every use case is given: the seams to the outside, made once in main.ts, and this process's own small memory. */
import type { RegionFacts } from '../../shared/contracts/catalog.ts'
import type { Accounts } from './accounts/accounts.ts'
import type { Background } from './background.ts'
import type { Commands } from './commands/commands.ts'
import type { Database } from './database/connect.ts'
import type { EgressDefaults } from './egress/effective-policy.ts'
import type { Events } from './events/events.ts'
import type { CallShares } from './hosts/call-shares.ts'
import type { Host } from './hosts/client.ts'
import type { HostRules } from './hosts/host-rules.ts'
import type { InFlight } from './in-flight.ts'
import type { Instance } from './instance.ts'
import type { Log } from './log.ts'
import type { Metrics } from './metrics/instruments.ts'
import type { Ledger } from './placement/ledger.ts'
import type { Previews } from './previews/previews.ts'
import type { Quota } from './quota/quota.ts'
import type { Policy } from './sandboxes/plan-sandbox.ts'
import type { StateWatch } from './sandboxes/state-watch.ts'
import type { Sender } from './webhooks/send-delivery.ts'

export type Controller = {
  region: { code: string; name: string }
  /** Those that callers are told of, this one included. */
  regions: readonly RegionFacts[]
  policy: Policy
  egress: EgressDefaults
  database: Database
  accounts: Accounts
  events: Events
  commands: Commands
  webhooks: Sender
  previews: Previews
  /** As of now: hosts come and go. */
  hosts: ReadonlyMap<string, Host>
  hostRules: HostRules
  callShares: CallShares
  ledger: Ledger
  instance: Instance
  quota: Quota
  /** The sandboxes that a request of this process is working on; the reconciler leaves them to it. */
  inFlight: InFlight
  background: Background
  states: StateWatch
  /** Set when the process is about to end; nothing new is started then. */
  isDraining: () => boolean
  /** The time that the region goes by; of this machine's own clock nothing hangs but what is written to the log. */
  clock: () => number
  random: (bytes: number) => Uint8Array
  log: Log
  metrics: Metrics
}
