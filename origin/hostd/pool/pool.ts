/**
 * Primed machines, stopped and waiting: restored from a template, their session open, their first commands behind them.
 *
 * One is made at a time, in the background, and only while no sandbox waits for a machine of its own. A stopped machine
 * uses no CPU. One that dies in the pool is taken out at once.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { LIMITS } from '../../../shared/limits.ts'
import type { Machine as Shape } from '../../../shared/machines.ts'
import { describe, type Log } from '../log.ts'
import type { Machine } from '../machine/machine.ts'
import { nextToFill, type PoolTarget, poolKey } from './targets.ts'

type Options = {
  targets: PoolTarget[]
  /** Makes one machine that is ready to be claimed. */
  make: (target: PoolTarget) => Promise<Machine>
  /** Resolves when making another one takes nothing from a sandbox that waits. */
  turn: () => Promise<void>
  log: Log
}

const RETRY_MS_FIRST = 500

export class Pool {
  readonly #options: Options
  readonly #machines = new Map<string, Machine[]>()
  #isOpen = true
  #wake: (() => void) | null = null
  #filling: Promise<void> = Promise.resolve()

  constructor(options: Options) {
    this.#options = options
  }

  /** Begins to fill, and to fill again whatever is taken. */
  open(): void {
    this.#filling = this.#fill()
  }

  /** A machine for the taking, or null when there is none of this kind. It is the caller's from here on. */
  take(template: string, shape: Shape): Machine | null {
    const machine = this.#machines.get(poolKey(template, shape))?.shift() ?? null
    this.#wake?.()
    return machine
  }

  depth(key: string): number {
    return this.#machines.get(key)?.length ?? 0
  }

  /** Machines by `<template>@<size>`. */
  depths(): Record<string, number> {
    return Object.fromEntries(
      this.#options.targets.map(({ template, size, machine }) => [
        `${template}@${size}`,
        this.depth(poolKey(template, machine)),
      ]),
    )
  }

  /** Ends every machine in the pool, also the one being made. */
  async close(): Promise<void> {
    this.#isOpen = false
    this.#wake?.()
    await this.#filling
    const left = [...this.#machines.values()].flat()
    this.#machines.clear()
    await Promise.all(left.map((machine) => this.#end(machine)))
  }

  async #fill(): Promise<void> {
    let retryMs = RETRY_MS_FIRST
    while (this.#isOpen) {
      const target = nextToFill(this.#options.targets, (key) => this.depth(key))
      if (target === null) {
        await this.#untilTaken()
        continue
      }
      await sleep(LIMITS.poolRefillPauseMs)
      await this.#options.turn()
      if (!this.#isOpen) return
      const isMade = await this.#add(target)
      retryMs = isMade ? RETRY_MS_FIRST : Math.min(retryMs * 2, LIMITS.poolRetryMsMax)
      if (!isMade) await Promise.race([sleep(retryMs, undefined, { ref: false }), this.#untilTaken()])
    }
  }

  async #add(target: PoolTarget): Promise<boolean> {
    try {
      const machine = await this.#options.make(target)
      const shelf = this.#shelf(poolKey(target.template, target.machine))
      shelf.push(machine)
      machine.died.addEventListener('abort', () => this.#drop(shelf, machine), { once: true })
      if (machine.died.aborted) this.#drop(shelf, machine)
      return true
    } catch (error) {
      this.#options.log('pool-refill-failed', { template: target.template, size: target.size, ...describe(error) })
      return false
    }
  }

  #shelf(key: string): Machine[] {
    const shelf = this.#machines.get(key) ?? []
    this.#machines.set(key, shelf)
    return shelf
  }

  #drop(shelf: Machine[], machine: Machine): void {
    const at = shelf.indexOf(machine)
    if (at < 0) return
    shelf.splice(at, 1)
    this.#options.log('pool-machine-died', { name: machine.name })
    void this.#end(machine)
    this.#wake?.()
  }

  /** It never rejects: what is left of a machine nobody owns is reaped by the next daemon. */
  async #end(machine: Machine): Promise<void> {
    await machine.end().catch((error) => {
      this.#options.log('cleanup-failed', { name: machine.name, ...describe(error) })
    })
  }

  #untilTaken(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }
}
