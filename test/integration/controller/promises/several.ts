/** Several controllers in one region, none of them special: what one promises, the others keep. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { RunningController } from '../../../../origin/controller/start.ts'
import { LIMITS } from '../../../../shared/limits.ts'
import { type TestRegion, textAt, until } from '../support/region.ts'

export function severalPromises(regionOf: () => TestRegion): void {
  let second: RunningController | undefined
  before(async () => {
    second = await regionOf().join()
  })
  after(() => second?.stop())

  const urls = (): string[] => [regionOf().url, `http://${second?.address.host}:${second?.address.port}`]
  const createAt = async (url: string, key: string, headers: Record<string, string> = {}) => {
    const authorization = `Bearer ${key}`
    const response = await fetch(`${url}/v1/sandboxes`, {
      method: 'POST',
      body: '{}',
      headers: { authorization, ...headers },
    })
    return { status: response.status, text: await response.text() }
  }

  test('a limit of 10 is a limit of 10 over both', async () => {
    const { key } = await regionOf().newKey({ concurrency: 10 })
    const answers = await Promise.all(Array.from({ length: 40 }, (_, n) => createAt(urls()[n % 2] ?? '', key)))
    assert.equal(answers.filter(({ status }) => status === 201).length, 10)
  })

  test('one Idempotency-Key sent to both makes one sandbox and gives one answer', async () => {
    const { key } = await regionOf().newKey()
    const headers = { 'idempotency-key': randomUUID() }
    const answers = await Promise.all(Array.from({ length: 10 }, (_, n) => createAt(urls()[n % 2] ?? '', key, headers)))
    assert.equal(new Set(answers.map(({ text }) => text)).size, 1)
    assert.equal(answers[0]?.status, 201)
  })

  // Only one of them reconciles, and it knows nothing of what the other is doing but that the other lives.
  test('neither takes the work of the other for abandoned', async () => {
    const region = regionOf()
    const { key } = await region.newKey()
    const gate = Promise.withResolvers<void>()
    for (let n = 0; n < 2; n++) region.host.mishaps.push({ kind: 'hang', until: gate.promise })
    const making = urls().map((url) => createAt(url, key))
    await sleep(LIMITS.instanceGraceMs + 2 * LIMITS.reconcileMs)
    gate.resolve()
    for (const { status, text } of await Promise.all(making)) assert.equal(status, 201, text)
  })

  test('when the one that reconciles stops, the other does', async () => {
    const region = regionOf()
    await region.restart()
    const id = textAt((await region.ask('/v1/sandboxes', { method: 'POST', body: {} })).json, 'data', 'id')
    region.host.vms.delete(id)
    await until('the loss to be noticed', async () => {
      const rows = await region.sql(`select from sandbox where id = $1 and state = 'error'`, [id])
      return rows.length === 1
    })
  })
}
