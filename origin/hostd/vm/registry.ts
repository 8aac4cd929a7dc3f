/**
 * The sandboxes of this host, and those it lost. The one place where they appear and disappear.
 *
 *   add -> starting -> running <-> paused -> stopping -> removed
 *   end:  on request, nothing is kept       lose: by itself, the reason is kept until the controller has acknowledged it
 *   succeed: it goes on as another machine, and what it was until then ends
 */
import type { VmInventory } from '../../../shared/contracts/host.ts'
import { AppError } from '../../../shared/errors.ts'
import type { Journal, Loss } from '../journal/journal.ts'
import { describe, type Log } from '../log.ts'
import { lost } from '../machine/death.ts'
import { giveUpMachine } from './own.ts'
import { recordOf, type Vm } from './vm.ts'

export class Registry {
  readonly #vms = new Map<string, Vm>()
  readonly #losses = new Map<string, Loss>()
  readonly #journal: Journal
  readonly #log: Log
  readonly #noteLoss: (loss: Loss) => void

  /** `noteLoss` hears of every loss once; not of those that were on record already. */
  constructor(journal: Journal, losses: Loss[], log: Log, noteLoss: (loss: Loss) => void = () => {}) {
    this.#journal = journal
    this.#log = log
    this.#noteLoss = noteLoss
    for (const loss of losses) this.#losses.set(loss.id, loss)
  }

  get(id: string): Vm | undefined {
    return this.#vms.get(id)
  }

  all(): Vm[] {
    return [...this.#vms.values()]
  }

  /** The sandbox, or the error that says why there is none: `sandbox_lost`, `sandbox_expired` or `sandbox_not_found`. */
  require(id: string): Vm {
    const vm = this.#vms.get(id)
    if (vm !== undefined && vm.gone === null) return vm
    this.refuseLost(id)
    throw new AppError('sandbox_not_found', 'This host has no such sandbox.')
  }

  /** Throws what `endOf` makes of a sandbox that ended by itself and was not acknowledged yet. */
  refuseLost(id: string): void {
    const loss = this.#losses.get(id)
    if (loss !== undefined) throw endOf(loss)
  }

  /** Whether it ended by itself, and that was not acknowledged yet. */
  isLost(id: string): boolean {
    return this.#losses.has(id)
  }

  add(vm: Vm): void {
    this.#vms.set(vm.id, vm)
  }

  remove(vm: Vm): void {
    if (this.#vms.get(vm.id) === vm) this.#vms.delete(vm.id)
  }

  /** Ends the sandbox and frees everything it had; what is being done for it fails with `reason`. Safe to repeat. */
  end(vm: Vm, reason: AppError): Promise<void> {
    vm.gone ??= this.#end(vm, reason)
    return vm.gone
  }

  /** The sandbox goes on as `next`, which gives up the name it had. What it was until now ends as by `end`. The journal must say so already. */
  succeed(vm: Vm, next: Vm, reason: AppError): Promise<void> {
    this.remove(next)
    next.id = vm.id
    this.#vms.set(vm.id, next)
    return this.end(vm, reason)
  }

  /** Ends a sandbox that nobody asked to end, and keeps the reason. */
  async lose(vm: Vm, loss: Omit<Loss, 'id'>): Promise<void> {
    if (vm.gone !== null || this.#vms.get(vm.id) !== vm) return
    this.keepLoss({ id: vm.id, ...loss })
    await this.end(vm, endOf(loss))
  }

  /** Where the journal cannot be written, as on a full disk, the next daemon does not know of it: it has no such sandbox, and this one says why. */
  keepLoss(loss: Loss): void {
    this.#losses.set(loss.id, loss)
    this.#noteLoss(loss)
    this.#log('sandbox-lost', { id: loss.id, reason: loss.reason })
    try {
      this.#journal.lose(loss)
    } catch (error) {
      this.#log('loss-not-journalled', { id: loss.id, ...describe(error) })
    }
  }

  acknowledgeLoss(id: string): void {
    if (this.#losses.delete(id)) this.#journal.forgetLoss(id)
  }

  inventory(): VmInventory {
    return { vms: this.all().map(recordOf), lost: [...this.#losses.values()] }
  }

  async #end(vm: Vm, reason: AppError): Promise<void> {
    vm.state = 'stopping'
    vm.ending.abort(reason)
    await vm.started
    try {
      await giveUpMachine(this.#journal, vm)
    } finally {
      // What could not be removed has no owner, so the next daemon reaps it; the room is not held for it.
      this.remove(vm)
    }
  }
}

/** What callers hear of a sandbox that ended without being asked to. */
const endOf = ({ cause, reason }: Omit<Loss, 'id'>): AppError =>
  cause === 'expired' ? new AppError('sandbox_expired', 'The time of the sandbox was over.') : lost(reason)
