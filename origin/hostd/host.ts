/** What the use cases of a host work with. Made once, by main.ts; nothing here is global. */
import type { MachineFacts } from './capacity/machine-facts.ts'
import type { Promises } from './capacity/room.ts'
import type { Egress } from './egress/egress.ts'
import type { Journal } from './journal/journal.ts'
import type { Log } from './log.ts'
import type { Site } from './machine/start.ts'
import type { Metrics } from './metrics/instruments.ts'
import type { Pool } from './pool/pool.ts'
import type { SnapshotStore } from './snapshot/snapshot-store.ts'
import type { TemplateStore } from './template/store.ts'
import type { Registry } from './vm/registry.ts'
import type { StartGate } from './vm/start-gate.ts'

export type Host = {
  site: Site
  journal: Journal
  registry: Registry
  templates: TemplateStore
  pool: Pool
  snapshots: SnapshotStore
  egress: Egress
  gate: StartGate
  promises: Promises
  facts: () => MachineFacts
  metrics: Metrics
  /** Set once, by an orderly stop: from then on nothing is started. */
  draining: AbortSignal
  log: Log
}
