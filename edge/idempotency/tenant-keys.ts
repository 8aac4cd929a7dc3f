/**
 * Where the sandboxes of one tenant's Idempotency-Keys are: a Durable Object of the tenant's name, beside the one that keeps its limit, so
 * that a storm of keys holds up no slot. What regions owe is collected by its alarm, which outlives every request, and the object itself.
 */
import { DurableObject } from 'cloudflare:workers'
import { internalTokensSchema } from '../../shared/internal-token.ts'
import { LIMITS } from '../../shared/limits.ts'
import { findRegion, type RegionRegistry } from '../../shared/regions.ts'
import type { Bindings } from '../bindings.ts'
import { readRegistry } from '../regions/read-registry.ts'
import {
  type Bearer,
  type Binding,
  type Bound,
  bind,
  type Confirmed,
  confirm,
  giveFree,
  type Moved,
  move,
  type Step,
} from './bindings.ts'
import { payDebt } from './pay-debt.ts'
import {
  type ClaimText,
  changeBinding,
  countBindings,
  forgetBindings,
  forgetOldest,
  nextForgettingMs,
  openBindings,
} from './stored-bindings.ts'
import { debtsOf, dueDebtors, forgetDebts, nextPaymentMs, notePayments, openDebts, owe } from './stored-debts.ts'

/** Every call may be repeated: the answer to the same question of the same request is the same. */
export class TenantKeys extends DurableObject<Bindings> {
  #count: number
  /** Null when it is not known, as after an eviction. */
  #alarmMs: number | null = null

  constructor(state: DurableObjectState, bindings: Bindings) {
    super(state, bindings)
    openBindings(state.storage)
    openDebts(state.storage)
    this.#count = countBindings(state.storage)
  }

  async bindKey(claim: ClaimText, bearer: Bearer): Promise<Bound> {
    return this.#change(claim, (known) => bind(known, bearer))
  }

  async confirmKey(claim: ClaimText, bearer: Bearer, isMade: boolean): Promise<Confirmed> {
    return this.#change(claim, (known) => confirm(known, bearer, isMade))
  }

  async moveKey(claim: ClaimText, bearer: Bearer, to: string): Promise<Moved> {
    return this.#change(claim, (known) => move(known, bearer, to))
  }

  async giveKeyFree(claim: ClaimText, request: string): Promise<void> {
    this.#change(claim, (known) => giveFree(known, request))
  }

  /** Of a key that nobody else has: the edge made it for this one attempt, and gives it up with the attempt. */
  async abandonAttempt(
    claim: ClaimText,
    { region, body }: { region: string; body: string },
    owner: string,
  ): Promise<void> {
    const { storage } = this.ctx
    storage.transactionSync(() => owe(storage, { claim, region, body, owner }, Date.now()))
    this.#setAlarm()
  }

  override async alarm(): Promise<void> {
    const { storage } = this.ctx
    // A run that fails, or is cut off, is followed by another one, however often that happens.
    this.#alarmMs = Date.now() + LIMITS.debtRetryMsMax
    await storage.setAlarm(this.#alarmMs)
    try {
      await this.#collect(dueDebtors(storage, Date.now()))
      this.#forget(Date.now())
      this.#alarmMs = this.#nextMs()
      await (this.#alarmMs === null ? storage.deleteAlarm() : storage.setAlarm(this.#alarmMs))
    } catch (thrown) {
      logError('What regions owe could not be collected.', { cause: String(thrown) })
    }
  }

  #change<Word>(claim: ClaimText, change: (known: Binding | undefined) => Step<Word>): Word {
    const { storage } = this.ctx
    const nowMs = Date.now()
    this.#makeRoom()
    const decide = (known: Binding | undefined): Step<Word> => {
      const step = change(known)
      if (known === undefined && step.binding !== undefined) this.#count += 1
      return step
    }
    const { word, debts } = changeBinding(storage, claim, nowMs, decide, (debt, owner) =>
      owe(storage, { ...debt, claim, owner }, nowMs),
    )
    // Every key that was bound before is forgotten sooner than this one.
    if (debts.length > 0 || this.#alarmMs === null) this.#setAlarm()
    return word
  }

  #makeRoom(): void {
    if (this.#count < LIMITS.boundKeysPerTenantMax) return
    forgetOldest(this.ctx.storage, Math.ceil(LIMITS.boundKeysPerTenantMax / 100))
    this.#count = countBindings(this.ctx.storage)
  }

  #forget(nowMs: number): void {
    forgetBindings(this.ctx.storage, nowMs)
    this.#count = countBindings(this.ctx.storage)
    const givenUp = forgetDebts(this.ctx.storage, nowMs)
    if (givenUp > 0) logError('Regions kept sandboxes that were made elsewhere.', { givenUp })
  }

  /** Not awaited: the answer leaves only when it is written, together with what it is for. */
  #setAlarm(): void {
    const nextMs = this.#nextMs()
    if (nextMs === null || (this.#alarmMs !== null && this.#alarmMs <= nextMs)) return
    this.#alarmMs = nextMs
    void this.ctx.storage.setAlarm(nextMs)
  }

  #nextMs(): number | null {
    const moments = [nextPaymentMs(this.ctx.storage), nextForgettingMs(this.ctx.storage)].filter((ms) => ms !== null)
    return moments.length === 0 ? null : Math.min(...moments)
  }

  async #collect(debtors: readonly string[]): Promise<void> {
    if (debtors.length === 0) return
    const reading = { nowMs: Date.now(), inBackground: (work: Promise<unknown>) => this.ctx.waitUntil(work) }
    const registry = await readRegistry(this.env, reading).catch(() => null)
    await Promise.all(debtors.map((code) => this.#collectFrom(code, registry)))
  }

  /** A region that is not in the registry any more pays as one that does not answer: it may be put back. */
  async #collectFrom(code: string, registry: RegionRegistry | null): Promise<void> {
    const region = registry === null ? undefined : findRegion(registry, code)
    const token = internalTokensSchema.parse(this.env.INTERNAL_TOKEN).sent
    const tried = await Promise.all(
      debtsOf(this.ctx.storage, code).map(async (debt) => ({
        debt,
        isPaid: region !== undefined && (await payDebt(region.url, token, debt)),
      })),
    )
    notePayments(this.ctx.storage, code, tried, Date.now())
  }
}

const logError = (message: string, about: object): void =>
  console.error(JSON.stringify({ level: 'error', message, ...about }))
