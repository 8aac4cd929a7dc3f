/**
 * Everything that this daemon counts and times, by name. `/metrics` prints it for Prometheus; what is measured only when it is printed
 * stands in observe-host.ts. Labels come from tables of ours and never from a caller, so their number is bounded; none is a sandbox.
 */
import { Counter, collectDefaultMetrics, Histogram, Registry } from 'prom-client'

export type Metrics = ReturnType<typeof createMetrics>

const START_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

export function createMetrics() {
  const registry = new Registry()
  const registers = [registry]
  // CPU, memory, file descriptors, garbage collection, and how late the event loop is.
  collectDefaultMetrics({ register: registry })
  return {
    registry,
    /** From the wish for a sandbox to the first answer of its guest. `path` is the boot path of the contract. */
    starts: new Histogram({
      name: 'atoll_machine_start_seconds',
      help: 'How long sandboxes waited for a machine that answers.',
      labelNames: ['path'],
      buckets: START_SECONDS,
      registers,
    }),
    startPhases: new Histogram({
      name: 'atoll_machine_start_phase_seconds',
      help: 'Where the time of starts went, by the phases of `ready`.',
      labelNames: ['path', 'phase'],
      buckets: START_SECONDS,
      registers,
    }),
    startFailures: new Counter({
      name: 'atoll_machine_start_failures_total',
      help: 'Machines that did not come up; the next boot path was tried.',
      labelNames: ['path'],
      registers,
    }),
    /** `from` is where the paused sandbox was: memory or disk. */
    resumes: new Histogram({
      name: 'atoll_machine_resume_seconds',
      help: 'How long paused sandboxes took until their guest had answered.',
      labelNames: ['from'],
      buckets: START_SECONDS,
      registers,
    }),
    standbys: new Histogram({
      name: 'atoll_machine_standby_seconds',
      help: 'How long it took to bring paused sandboxes from memory to disk.',
      buckets: START_SECONDS,
      registers,
    }),
    standbyFailures: new Counter({
      name: 'atoll_machine_standby_failures_total',
      help: 'Paused sandboxes that had to stay in memory, by the code of the error.',
      labelNames: ['code'],
      registers,
    }),
    /** `kind` is what it was taken for: named, standby or fork. */
    captureStops: new Histogram({
      name: 'atoll_capture_stop_seconds',
      help: 'How long sandboxes stood still while their state was taken; 0 for those that were paused anyway.',
      labelNames: ['kind'],
      buckets: START_SECONDS,
      registers,
    }),
    forkChildren: new Counter({
      name: 'atoll_fork_children_total',
      help: 'Children of forks, by what became of them.',
      labelNames: ['outcome'],
      registers,
    }),
    replacements: new Counter({
      name: 'atoll_machine_replacements_total',
      help: 'Sandboxes that went on as another machine.',
      labelNames: ['by'],
      registers,
    }),
    losses: new Counter({
      name: 'atoll_machine_losses_total',
      help: 'Sandboxes that ended without being asked to.',
      labelNames: ['cause'],
      registers,
    }),
    refusals: new Counter({
      name: 'atoll_refusals_total',
      help: 'Requests that were answered with an error, by its code.',
      labelNames: ['code'],
      registers,
    }),
    poolClaims: new Counter({
      name: 'atoll_pool_claims_total',
      help: 'Sandboxes that asked the pool for a machine: those that got one are hits.',
      labelNames: ['pool', 'outcome'],
      registers,
    }),
    shellClaims: new Counter({
      name: 'atoll_shell_claims_total',
      help: 'Restores that could take a process that was started ahead: those that got one are hits.',
      labelNames: ['outcome'],
      registers,
    }),
    poolRefills: new Histogram({
      name: 'atoll_pool_refill_seconds',
      help: 'How long it took to make and prime a machine for the pool.',
      buckets: START_SECONDS,
      registers,
    }),
    poolRefillFailures: new Counter({
      name: 'atoll_pool_refill_failures_total',
      help: 'Machines for the pool that could not be made.',
      registers,
    }),
    guestBytes: new Counter({
      name: 'atoll_guest_bytes_total',
      help: 'Bytes on the wire between this daemon and all guests; `in` came from them.',
      labelNames: ['direction'],
      registers,
    }),
    egressBytes: new Counter({
      name: 'atoll_egress_bytes_total',
      help: 'Bytes that sandboxes sent out (up) and got back (down) through their proxy.',
      labelNames: ['direction'],
      registers,
    }),
    egressRequests: new Counter({
      name: 'atoll_egress_requests_total',
      help: 'Requests and connections of sandboxes to the world outside, by what became of them, and why.',
      labelNames: ['action', 'reason'],
      registers,
    }),
    guestViolations: new Counter({
      name: 'atoll_guest_violations_total',
      help: 'Machines that were ended because their agent broke the rules of its connection.',
      labelNames: ['kind'],
      registers,
    }),
  }
}
