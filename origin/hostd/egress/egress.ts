/**
 * The ways out of this host's sandboxes. It compares what is with what should be: a sandbox that runs has a door, and what no sandbox needs
 * any more goes. Whoever knows of a change has it looked at at once; otherwise that is a moment later. One without a policy has its door
 * in that moment, because all that comes through is refused, and nothing that a sandbox begins with shall wait for that.
 */
import type { GuestEgress } from '../../../shared/contracts/guest-egress.ts'
import type { EgressLog, EgressPolicy, EgressSetting } from '../../../shared/contracts/host-egress.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { describe, type Log } from '../log.ts'
import type { Machine } from '../machine/machine.ts'
import type { Metrics } from '../metrics/instruments.ts'
import type { Registry } from '../vm/registry.ts'
import type { Vm } from '../vm/vm.ts'
import { Authority } from './authority.ts'
import { keepDoor } from './door.ts'
import { needsAuthority } from './judge.ts'
import { EgressRings } from './log.ts'
import { EgressPolicies } from './policies.ts'
import { EgressProxy } from './proxy.ts'
import { publicNames, type Reach, systemNames } from './reach.ts'
import type { Visitor, Ways } from './visit.ts'

type Door = { machine: Machine; frozen: AbortController; end: AbortController }
export type EgressBytes = { up: number; down: number }
type Settings = { reach: Reach; nameServers: string[] | undefined }
type Ground = { registry: Registry; metrics: Metrics; log: Log }

export class Egress {
  readonly #ground: Ground
  readonly #policies: EgressPolicies
  readonly #authority: Authority
  readonly #proxy: EgressProxy
  readonly #rings = new EgressRings(Date.now())
  readonly #doors = new Map<Vm, Door>()
  readonly #bytes = new WeakMap<Vm, EgressBytes>()
  readonly #looks = new WeakMap<Vm, Set<() => void>>()
  #timer: NodeJS.Timeout | undefined

  private constructor(ground: Ground, policies: EgressPolicies, ways: Ways) {
    this.#ground = ground
    this.#policies = policies
    this.#authority = ways.authority
    this.#proxy = new EgressProxy(ways, (error) => ground.log('egress-failed', describe(error)))
  }

  /** What the daemon before knew is known again. Nothing is enforced anew before `start`. */
  static async open(stateDir: string, ground: Ground, { reach, nameServers }: Settings): Promise<Egress> {
    const policies = new EgressPolicies(stateDir)
    const authority = await Authority.open(policies.directory)
    const names = reach === 'public' || nameServers !== undefined ? publicNames(nameServers) : systemNames
    return new Egress(ground, policies, { authority, names, reach, trusted: undefined })
  }

  /** Call it when the sandboxes that were there before are there again: what is of none of them goes. */
  start(): void {
    this.#timer = setInterval(() => this.#lookAtAll(), LIMITS.egressTendMs)
    this.#lookAtAll()
  }

  /** Every connection breaks. The policies stay. */
  close(): void {
    clearInterval(this.#timer)
    for (const vm of this.#doors.keys()) this.#shut(vm)
    this.#proxy.close()
  }

  /** Undefined when it was never told of one. */
  revisionOf(id: string): number | undefined {
    return this.#policies.get(id)?.revision
  }

  bytesOf(vm: Vm): EgressBytes {
    return this.#bytes.get(vm) ?? { up: 0, down: 0 }
  }

  /** The log of all sandboxes after an entry. */
  read(after: number): EgressLog {
    return this.#rings.read(after)
  }

  /** Of a sandbox that begins: what its spec says; else what it has from its parent, if it has one; else nothing, also from a try before. */
  begin(id: string, setting: EgressSetting | undefined, parent?: string): void {
    const inherited = parent === undefined ? null : this.#policies.policyOf(parent)
    if (setting !== undefined) this.#policies.set(id, setting)
    else if (inherited !== null) this.#policies.set(id, { revision: 0, policy: inherited })
    else this.#policies.remove(id)
  }

  /** In force when it returns, for what stands already, too. The revision in force, which is another one when that is newer. */
  put(vm: Vm, setting: EgressSetting): number {
    const before = this.#policies.get(vm.id)
    if (before === undefined || before.revision < setting.revision) {
      this.#policies.set(vm.id, setting)
      this.follow(vm)
    }
    return this.revisionOf(vm.id) ?? setting.revision
  }

  /** What the agent is told when the machine of this sandbox wakes. */
  wordsFor(id: string): GuestEgress {
    const policy = this.#policies.policyOf(id)
    return {
      ca_pem: needsAuthority(policy) ? this.#authority.pem : null,
      ...(policy?.env === undefined ? {} : { env: policy.env }),
    }
  }

  /** Another policy is this machine's now, by a word or by another name: its door is as it should be, and what it does not allow breaks. */
  follow(vm: Vm): void {
    this.tend(vm)
    for (const look of this.#looks.get(vm) ?? []) look()
  }

  /** Opens and shuts the door of one sandbox as it should be, but opens none in haste that leads nowhere. Safe to repeat. */
  tend(vm: Vm): void {
    if (this.#doors.has(vm) || this.#policies.policyOf(vm.id) !== null) this.#setRight(vm)
  }

  #setRight(vm: Vm): void {
    const { machine, frozen } = vm
    const isWanted = vm.state === 'running' && machine !== null
    const door = this.#doors.get(vm)
    const isRight = door !== undefined && door.machine === machine && door.frozen === frozen
    if (door !== undefined && !(isWanted && isRight)) this.#shut(vm)
    if (isWanted && !isRight) this.#openDoor(vm, machine)
  }

  #lookAtAll(): void {
    const { registry, log } = this.#ground
    try {
      const vms = new Set(registry.all())
      for (const vm of vms) this.#setRight(vm)
      for (const vm of this.#doors.keys()) if (!vms.has(vm)) this.#shut(vm)
      for (const id of this.#policies.sandboxes()) if (registry.get(id) === undefined) this.#policies.remove(id)
      this.#rings.sweep((id) => registry.get(id) !== undefined, Date.now())
    } catch (error) {
      log('egress-failed', describe(error))
    }
  }

  #openDoor(vm: Vm, machine: Machine): void {
    const door = { machine, frozen: vm.frozen, end: new AbortController() }
    this.#doors.set(vm, door)
    const signal = AbortSignal.any([door.end.signal, vm.frozen.signal, vm.ending.signal, machine.died])
    const visitor = this.#visitorOf(vm)
    const serve = (connection: Parameters<EgressProxy['serve']>[0]): void => this.#proxy.serve(connection, visitor)
    const session = (until: AbortSignal) => machine.guest.session(until)
    const perSecMax = (): number =>
      this.#policies.policyOf(vm.id) === null ? LIMITS.egressRefusalsPerSecMax : LIMITS.egressConnectionsPerSecMax
    void keepDoor({ session, signal, serve, perSecMax }).then(() => {
      if (this.#doors.get(vm) === door) this.#doors.delete(vm)
    })
  }

  #shut(vm: Vm): void {
    this.#doors.get(vm)?.end.abort(new Error('The way out is shut.'))
    this.#doors.delete(vm)
  }

  /** By the sandbox's name of the moment: a merge gives it another one. */
  #visitorOf(vm: Vm): Visitor {
    const { egressBytes, egressRequests } = this.#ground.metrics
    const bytes = this.#bytes.get(vm) ?? { up: 0, down: 0 }
    const looks = this.#looks.get(vm) ?? new Set()
    this.#bytes.set(vm, bytes)
    this.#looks.set(vm, looks)
    return {
      policy: (): EgressPolicy | null => this.#policies.policyOf(vm.id),
      note: (entry) => {
        egressRequests.inc({ action: entry.action, reason: entry.reason })
        this.#rings.note(vm.id, entry)
      },
      noteBytes: (direction, count) => {
        bytes[direction] += count
        egressBytes.inc({ direction }, count)
      },
      onChange: (look) => {
        looks.add(look)
        return () => void looks.delete(look)
      },
    }
  }
}
