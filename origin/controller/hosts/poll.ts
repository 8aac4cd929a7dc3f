/** Asks a host what it offers, writes it down, and keeps the ledger: a host that is not heard of stops receiving. */
import type pg from 'pg'
import { LIMITS } from '../../../shared/limits.ts'
import type { Controller } from '../controller.ts'
import { type Repeating, repeat } from '../repeat.ts'
import type { Host } from './client.ts'
import { createOfferWriter, type OfferWriter } from './write-offers.ts'

export const keepPolling = (controller: Controller, one: Host): Repeating =>
  repeat(LIMITS.hostPollMs, controller.log, `host.poll_failed ${one.name}`, () => pollHost(controller, one))

export async function pollHost(controller: Controller, one: Host): Promise<void> {
  const answer = await one.capacity()
  if (answer.kind !== 'done') throw answer.error
  controller.ledger.hear(one.name)
  const row = await writerOf(controller.database.pool)(one, answer.value)
  // What has left the region is still looked at for a while, but offers nothing.
  if (row === undefined) return controller.ledger.forget(one.name)
  controller.ledger.observe({ host: one.name, capacity: answer.value, ...row })
}

const writers = new WeakMap<pg.Pool, OfferWriter>()

/** One for all hosts that write to the same database. */
function writerOf(pool: pg.Pool): OfferWriter {
  const writer = writers.get(pool) ?? createOfferWriter(pool)
  writers.set(pool, writer)
  return writer
}
