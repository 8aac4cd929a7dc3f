/**
 * Primed machines, stopped and waiting: restored from a template, their session open, their first commands behind them.
 *
 * They are made in the background, a few at a time, and only while no sandbox waits for a machine of its own. A stopped machine
 * uses no CPU. One that dies in the pool is taken out at once. How many of which kind there should be is decided in plan.ts.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { LIMITS } from '../../../shared/limits.ts'
import type { Machine as Shape } from '../../../shared/machines.ts'
import { describe, type Log } from '../log.ts'
import type { Machine } from '../machine/machine.ts'
import type { Metrics } from '../metrics/instruments.ts'
import { Demand } from './demand.ts'
import { nextStep, type Shelf as PlannedShelf, planPool } from './plan.ts'
import { type Kind, type PoolTarget, poolKey, poolName } from './targets.ts'

export type PoolOptions = {
  floors: PoolTarget[]
  /** Memory that machines above the floors may take, those of the floors included. */
  budgetMib: number
  makesAtOnceMax: number
  /** Makes one machine that is ready to be claimed. `isFloor` false: only if it costs no new template; null when it would. */
  make: (kind: Kind, isFloor: boolean) => Promise<Machine | null>
  /** What the kernel says that a machine has for itself; null when it is gone. */
  privateMib: (machine: Machine) => Promise<number | null>
  isMemoryShort: () => boolean
  /** Resolves when making another one takes nothing from a sandbox that waits. */
  turn: () => Promise<void>
  metrics: Pick<Metrics, 'poolClaims' | 'poolRefills' | 'poolRefillFailures'>
  log: Log
}

type Shelf = {
  kind: Kind
  floor: number
  machines: Machine[]
  making: number
  costMib: number
  retryMs: number
  heldUntilMs: number
}

const RETRY_MS_FIRST = 500

export class Pool {
  readonly #options: PoolOptions
  readonly #shelves = new Map<string, Shelf>()
  readonly #demand = new Demand()
  readonly #making = new Set<Promise<void>>()
  #isOpen = true
  #wake: () => void = () => {}
  #tending: Promise<void> = Promise.resolve()

  constructor(options: PoolOptions) {
    this.#options = options
    for (const { count, ...kind } of options.floors) this.#shelf(kind).floor += count
  }

  /** Begins to fill, and to fill again whatever is taken. */
  open(): void {
    this.#tending = this.#tend()
  }

  /** A machine for the taking, or null when there is none of this kind. It is the caller's from here on. */
  take(template: string, shape: Shape): Machine | null {
    const kind = { template, machine: shape }
    this.#demand.note(kind, Date.now())
    const machine = this.#shelves.get(poolKey(kind))?.machines.shift() ?? null
    this.#options.metrics.poolClaims.inc({ pool: poolName(kind), outcome: machine === null ? 'miss' : 'hit' })
    this.#wake()
    return machine
  }

  /** Machines by `<template>@<size>`. */
  depths(): Record<string, number> {
    return this.#sums(({ machines }) => machines.length)
  }

  /** How many there should be, by the same names. */
  targets(): Record<string, number> {
    const plan = planPool(this.#planned(), this.#options.budgetMib)
    return this.#sums(({ kind }) => plan.get(poolKey(kind)) ?? 0)
  }

  /** Ends every machine in the pool, also those being made. */
  async close(): Promise<void> {
    this.#isOpen = false
    this.#wake()
    await this.#tending
    await Promise.all(this.#making)
    const left = [...this.#shelves.values()].flatMap(({ machines }) => machines.splice(0))
    await Promise.all(left.map((machine) => this.#end(machine)))
  }

  async #tend(): Promise<void> {
    const { budgetMib, makesAtOnceMax, isMemoryShort, turn } = this.#options
    while (this.#isOpen) {
      const step = nextStep(this.#planned(), budgetMib, isMemoryShort())
      const shelf = step === null ? undefined : this.#shelves.get(step.key)
      if (step === null || shelf === undefined || (step.kind === 'make' && this.#making.size >= makesAtOnceMax)) {
        await this.#untilWoken()
        continue
      }
      if (step.kind === 'end') {
        const machine = shelf.machines.pop()
        if (machine !== undefined) await this.#end(machine)
        continue
      }
      await sleep(LIMITS.poolRefillPauseMs)
      await turn()
      if (this.#isOpen) this.#begin(shelf)
    }
  }

  #begin(shelf: Shelf): void {
    shelf.making += 1
    const making = this.#add(shelf).finally(() => {
      shelf.making -= 1
      this.#making.delete(making)
      this.#wake()
    })
    this.#making.add(making)
  }

  async #add(shelf: Shelf): Promise<void> {
    const { kind, machines } = shelf
    const { make, privateMib, metrics, log } = this.#options
    const made = metrics.poolRefills.startTimer()
    try {
      const machine = await make(kind, machines.length + shelf.making <= shelf.floor)
      if (machine === null) return this.#hold(shelf, LIMITS.poolRetryMsMax)
      shelf.costMib = (await privateMib(machine)) ?? shelf.costMib
      shelf.retryMs = RETRY_MS_FIRST
      machines.push(machine)
      machine.died.addEventListener('abort', () => this.#drop(shelf, machine), { once: true })
      if (machine.died.aborted) this.#drop(shelf, machine)
      made()
    } catch (error) {
      metrics.poolRefillFailures.inc()
      log('pool-refill-failed', { pool: poolName(kind), ...describe(error) })
      this.#hold(shelf, shelf.retryMs)
      shelf.retryMs = Math.min(shelf.retryMs * 2, LIMITS.poolRetryMsMax)
    }
  }

  #hold(shelf: Shelf, forMs: number): void {
    shelf.heldUntilMs = performance.now() + forMs
  }

  /** What there is and what is wanted; shelves of kinds that nobody asks for any more go. */
  #planned(): PlannedShelf[] {
    const peaks = new Map(this.#demand.peaks(Date.now()).map(({ kind, peak }) => [this.#shelf(kind), peak]))
    const now = performance.now()
    return [...this.#shelves].flatMap(([key, shelf]) => {
      const { floor, machines, making, costMib, heldUntilMs } = shelf
      const peak = peaks.get(shelf) ?? 0
      const count = machines.length + making
      if (floor + count + peak === 0) this.#shelves.delete(key)
      return { key, floor, peak, costMib, count, ready: machines.length, isHeld: now < heldUntilMs }
    })
  }

  #shelf(kind: Kind): Shelf {
    const key = poolKey(kind)
    const empty = { floor: 0, machines: [], making: 0, heldUntilMs: 0, retryMs: RETRY_MS_FIRST }
    const shelf = this.#shelves.get(key) ?? { kind, costMib: LIMITS.vmStartMemoryMib, ...empty }
    this.#shelves.set(key, shelf)
    return shelf
  }

  #sums(numberOf: (shelf: Shelf) => number): Record<string, number> {
    const sums: Record<string, number> = {}
    for (const shelf of this.#shelves.values())
      sums[poolName(shelf.kind)] = (sums[poolName(shelf.kind)] ?? 0) + numberOf(shelf)
    return sums
  }

  #drop({ machines }: Shelf, machine: Machine): void {
    const at = machines.indexOf(machine)
    if (at < 0) return
    machines.splice(at, 1)
    this.#options.log('pool-machine-died', { name: machine.name })
    void this.#end(machine)
    this.#wake()
  }

  /** It never rejects: what is left of a machine nobody owns is reaped by the next daemon. */
  async #end(machine: Machine): Promise<void> {
    await machine.end().catch((error) => {
      this.#options.log('cleanup-failed', { name: machine.name, ...describe(error) })
    })
  }

  /** Also looks again by itself: demand is forgotten with time, and memory comes and goes. */
  async #untilWoken(): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    await new Promise<void>((resolve) => {
      this.#wake = resolve
      timer = setTimeout(resolve, LIMITS.poolReviewMs)
    })
    clearTimeout(timer)
  }
}
