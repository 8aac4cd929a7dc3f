/** Asks every host what it offers, writes it down, and keeps the ledger: a host that is not heard of stops receiving. */
import type pg from 'pg'
import { LIMITS } from '../../../shared/limits.ts'
import type { Controller } from '../controller.ts'
import type { Offer } from '../placement/ledger.ts'
import { type Repeating, repeat } from '../repeat.ts'
import type { Host } from './client.ts'
import { createOfferWriter, type OfferWriter } from './write-offers.ts'

export const pollHosts = (controller: Controller): Repeating[] =>
  [...controller.hosts.values()].map((one) =>
    repeat(LIMITS.hostPollMs, controller.log, `host.poll_failed ${one.name}`, () => pollHost(controller, one)),
  )

export async function pollHost(controller: Controller, { name, capacity: ask }: Host): Promise<void> {
  const answer = await ask()
  if (answer.kind !== 'done') throw answer.error
  const reserved = await writerOf(controller.database.pool)(name, answer.value)
  const offer: Offer = { host: name, capacity: answer.value, reserved, seenAtMs: controller.clock() }
  controller.ledger.observe(offer)
}

const writers = new WeakMap<pg.Pool, OfferWriter>()

/** One for all hosts that write to the same database. */
function writerOf(pool: pg.Pool): OfferWriter {
  const writer = writers.get(pool) ?? createOfferWriter(pool)
  writers.set(pool, writer)
  return writer
}
