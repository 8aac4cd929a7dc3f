/** A user id for every machine, so that one that breaks out of QEMU is a stranger to all others. */
import { AppError } from '../../../shared/errors.ts'
import type { Owner } from './files.ts'

export class Owners {
  readonly #base: number | null
  readonly #count: number
  readonly #taken = new Set<number>()

  /** `base` null: this daemon is not root and cannot give ids away, so machines run under its own. */
  constructor(base: number | null, count: number) {
    this.#base = base
    this.#count = count
  }

  take(): Owner | null {
    if (this.#base === null) return null
    for (let uid = this.#base; uid < this.#base + this.#count; uid++) if (!this.#taken.has(uid)) return this.hold(uid)
    throw new AppError('capacity_exhausted', 'This host has no user id left for another machine.')
  }

  /** Marks an id as used: by `take`, or by a machine that was found running. */
  hold(uid: number): Owner {
    this.#taken.add(uid)
    return { uid, gid: uid }
  }

  give(owner: Owner | null): void {
    if (owner !== null) this.#taken.delete(owner.uid)
  }
}
