/**
 * The life of a sandbox.
 *
 *   creating -provision-> provisioning -ready-> running <-snapshotted/snapshot-> snapshotting
 *   creating -ready-> running          a warm machine needs no provisioning
 *   running -pause-> paused -resume-> provisioning -ready-> running
 *   running -restore-> provisioning    it becomes what it was at a snapshot; if that fails, `ready` says that it still is what it was
 *   any live state -fail-> error       any state but destroyed -destroy-> destroyed
 *
 * The controller is the only writer. A host reports facts (provision, ready, pause, snapshotted, fail);
 * people and clocks make requests (resume, restore, snapshot, destroy), and pause may be either.
 */
export const STATES = ['creating', 'provisioning', 'running', 'snapshotting', 'paused', 'destroyed', 'error'] as const
export type SandboxState = (typeof STATES)[number]

export const EVENTS = [
  'provision',
  'ready',
  'pause',
  'resume',
  'restore',
  'snapshot',
  'snapshotted',
  'fail',
  'destroy',
] as const
export type LifecycleEvent = (typeof EVENTS)[number]

const TABLE: Record<SandboxState, Partial<Record<LifecycleEvent, SandboxState>>> = {
  creating: { provision: 'provisioning', ready: 'running', fail: 'error', destroy: 'destroyed' },
  provisioning: { ready: 'running', pause: 'paused', fail: 'error', destroy: 'destroyed' },
  running: { pause: 'paused', restore: 'provisioning', snapshot: 'snapshotting', fail: 'error', destroy: 'destroyed' },
  snapshotting: { snapshotted: 'running', pause: 'paused', fail: 'error', destroy: 'destroyed' },
  paused: { resume: 'provisioning', fail: 'error', destroy: 'destroyed' },
  error: { destroy: 'destroyed' },
  destroyed: {},
}

/** What a caller asks for; everything else is a fact that a host reports, and facts may come late. */
const REQUESTS: ReadonlySet<LifecycleEvent> = new Set(['pause', 'resume', 'restore', 'snapshot', 'destroy'])

export type Verdict = { kind: 'moved'; to: SandboxState } | { kind: 'denied' } | { kind: 'ignored' }

/** A late fact is ignored. A request that cannot be honoured is denied. */
export function transition(from: SandboxState, event: LifecycleEvent): Verdict {
  const to = TABLE[from][event]
  if (to !== undefined) return { kind: 'moved', to }
  return REQUESTS.has(event) ? { kind: 'denied' } : { kind: 'ignored' }
}

/** The states from which this event moves a sandbox: the guard of the one statement that writes a state. */
export function sourcesOf(event: LifecycleEvent): SandboxState[] {
  return STATES.filter((state) => TABLE[state][event] !== undefined)
}

/** States that count against a tenant's concurrency: those that have, or are about to have, a CPU. */
export const COUNTED: ReadonlySet<SandboxState> = new Set(['creating', 'provisioning', 'running', 'snapshotting'])

/** States in which a sandbox still exists for its owner and holds room on a host. */
export const LIVE: ReadonlySet<SandboxState> = new Set([...COUNTED, 'paused'])

/** Nothing but `destroy` follows these. */
export const ENDED: ReadonlySet<SandboxState> = new Set(['error', 'destroyed'])
