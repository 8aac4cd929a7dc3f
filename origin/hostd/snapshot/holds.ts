/** Who still needs what: files go when the last one lets go of them. Counted anew at every start, so a crash cannot leave a wrong count. */
export type Hold = {
  /** Holds these from now on, and those of before no more. */
  change(names: readonly string[]): void
  /** Safe to repeat. */
  release(): void
}

export class Holds {
  readonly #counts = new Map<string, number>()
  readonly #onFree: (name: string) => void

  /** `onFree` hears at once, synchronously, of every name that nobody holds any more. */
  constructor(onFree: (name: string) => void) {
    this.#onFree = onFree
  }

  isHeld(name: string): boolean {
    return this.count(name) > 0
  }

  count(name: string): number {
    return this.#counts.get(name) ?? 0
  }

  hold(names: readonly string[]): Hold {
    let held: readonly string[] = []
    const change = (wanted: readonly string[]): void => {
      const before = held
      held = [...wanted]
      for (const name of held) this.#counts.set(name, this.count(name) + 1)
      for (const name of before) this.#letGo(name)
    }
    change(names)
    return { change, release: () => change([]) }
  }

  #letGo(name: string): void {
    const left = this.count(name) - 1
    if (left > 0) this.#counts.set(name, left)
    else {
      this.#counts.delete(name)
      this.#onFree(name)
    }
  }
}
