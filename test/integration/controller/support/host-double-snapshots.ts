/** What a host double does with snapshots, forks and merges. A machine's memory is the list of what `remember` was told in it. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type VmRecord, type VmSpec, vmDeadlines } from '../../../../shared/contracts/host.ts'
import {
  type ForkAnswer,
  forkBody,
  type HostSnapshot,
  mergeBody,
  restoreBody,
  takeSnapshotBody,
} from '../../../../shared/contracts/host-snapshots.ts'
import { AppError } from '../../../../shared/errors.ts'
import { beginEgress, type Door } from './host-double-egress.ts'

export type KeptMemory = HostSnapshot & { memory: string[] }

/** What the next call of a verb does instead of succeeding. */
export type Upset =
  | { kind: 'refuse' | 'fail'; error: AppError }
  /** The connection breaks before anything was done, or after it was. */
  | { kind: 'cut_before' | 'cut_after' }
  /** Held before it is done, or when it is done and not answered. */
  | { kind: 'hang_before' | 'hang_after'; until: Promise<void> }
  /** Of a fork: these children come to nothing, by their place. */
  | { kind: 'fail_children'; places: number[] }
export type Verb = 'snapshots' | 'restore' | 'fork' | 'merge' | 'forget'

export type Keeping = Door & {
  snapshots: Map<string, KeptMemory>
  memories: Map<string, string[]>
  /** How often each machine was replaced by a restore or a merge; commands that run in it end then. */
  replacements: Map<string, number>
  upsets: Record<Verb, Upset[]>
  /** `verb id` of every call that came. */
  asked: string[]
}

/** Undefined when it was cut: nothing is to be said. */
export async function changeState(host: Keeping, verb: Verb, id: string, body: unknown): Promise<unknown> {
  host.asked.push(`${verb} ${id}`)
  const upset = host.upsets[verb].shift()
  switch (upset?.kind) {
    case 'refuse':
    case 'fail':
      throw upset.error
    case 'cut_before':
      return undefined
    case 'hang_before':
      await upset.until
  }
  const answer = DEEDS[verb](host, id, body, upset?.kind === 'fail_children' ? upset.places : [])
  if (upset?.kind === 'hang_after') await upset.until
  if (upset?.kind === 'cut_after') {
    await sleep(1)
    return undefined
  }
  return answer
}

const DEEDS: Record<Verb, (host: Keeping, id: string, body: unknown, failing: number[]) => object> = {
  snapshots: take,
  restore,
  fork,
  merge,
  forget: (host, id) => {
    host.snapshots.delete(id)
    return {}
  },
}

function take(host: Keeping, id: string, body: unknown): HostSnapshot {
  const { snapshot_id } = takeSnapshotBody.parse(body)
  const { template, machine, state } = machineOf(host, id)
  const earlier = host.snapshots.get(snapshot_id)
  if (earlier !== undefined) return earlier
  const kept = {
    id: snapshot_id,
    sandbox: id,
    template,
    machine,
    taken_at_ms: Date.now(),
    bytes: 12_345,
    stopped_ms: state === 'paused' ? 0 : 3.4,
    memory: [...(host.memories.get(id) ?? [])],
  }
  host.snapshots.set(snapshot_id, kept)
  return kept
}

function restore(host: Keeping, id: string, body: unknown): VmRecord {
  const { snapshot_id, deadlines } = restoreBody.parse(body)
  const vm = machineOf(host, id)
  const kept = snapshotOf(host, snapshot_id)
  host.memories.set(id, [...kept.memory])
  replace(host, id)
  return Object.assign(vm, vmDeadlines.parse(deadlines), { state: 'running' })
}

function fork(host: Keeping, id: string, body: unknown, failing: number[]): ForkAnswer {
  const parent = machineOf(host, id)
  if (parent.state !== 'running') throw new AppError('sandbox_not_running', `It is ${parent.state}.`)
  const children = forkBody
    .parse(body)
    .children.map((spec, place): ForkAnswer['children'][number] =>
      failing.includes(place)
        ? { kind: 'failed', id: spec.id, code: 'guest_unreachable', message: `The child ${place} does not answer.` }
        : { kind: 'made', vm: host.vms.get(spec.id) ?? begin(host, spec, parent, host.memories.get(id) ?? []) },
    )
  return { stopped_ms: 5, children }
}

function merge(host: Keeping, id: string, body: unknown): VmRecord {
  const { winner } = mergeBody.parse(body)
  const parent = machineOf(host, id)
  const won = host.vms.get(winner)
  if (won === undefined) {
    if (parent.boot_ms === MERGED_MS) return parent
    throw new AppError('sandbox_not_found', 'No such machine.')
  }
  host.memories.set(id, host.memories.get(winner) ?? [])
  for (const one of [id, winner]) replace(host, one)
  host.memories.delete(winner)
  host.vms.delete(winner)
  const merged = { ...won, id, boot_ms: MERGED_MS }
  host.vms.set(id, merged)
  return merged
}

const replace = ({ replacements }: Keeping, id: string) => replacements.set(id, (replacements.get(id) ?? 0) + 1)

/** By which a merge that is repeated is known. */
const MERGED_MS = 50

/** The memory that a new machine begins with. Throws snapshot_not_found. */
export const beginningOf = (host: Keeping, { snapshot_id }: VmSpec): string[] =>
  snapshot_id === null || snapshot_id === undefined ? [] : [...snapshotOf(host, snapshot_id).memory]

function begin(host: Keeping, spec: VmSpec, { id: parent, template, machine }: VmRecord, memory: string[]): VmRecord {
  const { hostname: _, env: __, snapshot_id: ___, egress: ____, ...rest } = spec
  const now = Date.now()
  const vm: VmRecord = {
    ...rest,
    template,
    machine,
    state: 'running',
    boot_path: 'restore',
    boot_ms: 9,
    started_at_ms: now,
    active_at_ms: now,
  }
  host.vms.set(vm.id, vm)
  host.memories.set(vm.id, [...memory])
  beginEgress(host, vm, spec, parent)
  return vm
}

function machineOf({ vms }: Keeping, id: string): VmRecord {
  const vm = vms.get(id)
  if (vm === undefined) throw new AppError('sandbox_not_found', 'No such machine.')
  return vm
}

function snapshotOf({ snapshots }: Keeping, id: string): KeptMemory {
  const kept = snapshots.get(id)
  if (kept === undefined) throw new AppError('snapshot_not_found', 'No such snapshot.')
  return kept
}
