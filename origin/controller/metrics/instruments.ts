/**
 * Everything that this process counts and times, by name. `/metrics` prints it for Prometheus; what is asked of the database and the
 * hosts when it is printed stands in observe-region.ts. Labels come from tables of ours and never from a caller, so their number is bounded.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

export type Metrics = ReturnType<typeof createMetrics>

const REQUEST_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]
const PHASE_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30]

export function createMetrics() {
  const registry = new Registry()
  const registers = [registry]
  // CPU, memory, file descriptors, garbage collection, and how late the event loop is.
  collectDefaultMetrics({ register: registry })
  return {
    registry,
    /** Until the answer began. `route` is the contract's path; `status` is 499 when the caller had left by then. */
    requests: new Histogram({
      name: 'atoll_request_seconds',
      help: 'How long requests took until their answer began.',
      labelNames: ['method', 'route', 'status'],
      buckets: REQUEST_SECONDS,
      registers,
    }),
    phases: new Histogram({
      name: 'atoll_phase_seconds',
      help: 'Where the time of requests went, by the phases of Server-Timing.',
      labelNames: ['phase'],
      buckets: PHASE_SECONDS,
      registers,
    }),
    replays: new Counter({
      name: 'atoll_idempotent_replays_total',
      help: 'Answers that were given again under an Idempotency-Key.',
      registers,
    }),
    /** One kind for each thing that a reconciler mends. */
    mends: new Counter({
      name: 'atoll_mends_total',
      help: 'Differences between what is and what should be that were mended.',
      labelNames: ['kind'],
      registers,
    }),
    reconciled: new Gauge({
      name: 'atoll_reconciler_last_success_timestamp_seconds',
      help: 'When each reconciler last came to its end, here. Only the leading controller reconciles.',
      labelNames: ['reconciler'],
      registers,
    }),
    forgotten: new Counter({
      name: 'atoll_forgotten_rows_total',
      help: 'Rows deleted because they were kept for long enough.',
      labelNames: ['table'],
      registers,
    }),
    quotaExchanges: new Counter({
      name: 'atoll_quota_exchanges_total',
      help: 'Exchanges with the authority over the shares of tenants.',
      labelNames: ['outcome'],
      registers,
    }),
    deliveries: new Counter({
      name: 'atoll_webhook_deliveries_total',
      help: 'Attempts to tell a webhook of an event.',
      labelNames: ['outcome'],
      registers,
    }),
  }
}
