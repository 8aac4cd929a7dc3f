/**
 * Blank shells: QEMUs that were started ahead and wait for a state, so that a restore does not have to wait for its process.
 *
 * A shell fits one base, because its memory is a view of that base's and its disk lies over that base's. A few are kept of the bases that
 * were restored lately, made in the background while no sandbox waits for a machine. Nobody owns one, so a crash leaves it to be reaped.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { LIMITS } from '../../../shared/limits.ts'
import { describe, type Log } from '../log.ts'
import type { Metrics } from '../metrics/instruments.ts'
import type { Shell } from './shell.ts'

type Waiting = Pick<Shell, 'name' | 'undo'> & { qmp: Pick<Shell['qmp'], 'closed'> }

export type ShellOptions = {
  /** Of each base. */
  count: number
  /** Resolves when starting one takes nothing from a sandbox that waits. */
  turn: () => Promise<void>
  isMemoryShort: () => boolean
  claims: Metrics['shellClaims']
  log: Log
}

type Stock<One> = { waiting: One[]; make: () => Promise<One> }

export class Shells<One extends Waiting = Shell> {
  readonly #options: ShellOptions
  /** By base; the one that was used last is at the end. */
  readonly #stocks = new Map<string, Stock<One>>()
  #isOpen = true
  #filling: Promise<void> | null = null

  constructor(options: ShellOptions) {
    this.#options = options
  }

  /** A shell of this base, or null when none waits; `make` is remembered for those who come next. It is the caller's from here on. */
  take(base: string, make: () => Promise<One>): One | null {
    if (this.#options.count === 0 || !this.#isOpen) return null
    const waiting = this.#stocks.get(base)?.waiting ?? []
    this.#stocks.delete(base)
    this.#stocks.set(base, { waiting, make })
    this.#filling ??= this.#fill().finally(() => {
      this.#filling = null
    })
    const shell = waiting.shift() ?? null
    this.#options.claims.inc({ outcome: shell === null ? 'miss' : 'hit' })
    return shell
  }

  /** Ends all that wait, also the one being made, and makes no more. */
  async close(): Promise<void> {
    this.#isOpen = false
    await this.#filling
    for (const base of [...this.#stocks.keys()]) await this.#drop(base)
  }

  async #fill(): Promise<void> {
    for (;;) {
      await sleep(LIMITS.poolRefillPauseMs)
      await this.#options.turn()
      const [oldest] = this.#stocks.keys()
      if (oldest !== undefined && this.#stocks.size > LIMITS.shellBasesMax) await this.#drop(oldest)
      const stock = [...this.#stocks.values()].find(({ waiting }) => waiting.length < this.#options.count)
      if (stock === undefined || !this.#isOpen || this.#options.isMemoryShort()) return
      if (!(await this.#add(stock))) return
    }
  }

  /** What fails is tried again when the next one is taken. */
  async #add({ waiting, make }: Stock<One>): Promise<boolean> {
    try {
      const shell = await make()
      waiting.push(shell)
      void shell.qmp.closed.then(() => {
        const at = waiting.indexOf(shell)
        if (at >= 0) void this.#end(...waiting.splice(at, 1))
      })
      return true
    } catch (error) {
      this.#options.log('shell-failed', describe(error))
      return false
    }
  }

  async #drop(base: string): Promise<void> {
    const stock = this.#stocks.get(base)
    this.#stocks.delete(base)
    await this.#end(...(stock?.waiting.splice(0) ?? []))
  }

  /** It never rejects: what is left of a machine nobody owns is reaped by the next daemon. */
  async #end(...shells: One[]): Promise<void> {
    for (const { name, undo } of shells)
      await undo.disposeAsync().catch((error) => this.#options.log('cleanup-failed', { name, ...describe(error) }))
  }
}
