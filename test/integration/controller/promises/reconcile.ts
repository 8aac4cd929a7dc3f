/** What is and what should be are made to agree, by themselves and within seconds, without touching work in flight. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { matchHost } from '../../../../origin/controller/reconcile/match-host.ts'
import type { VmRecord } from '../../../../shared/contracts/host.ts'
import { LIMITS } from '../../../../shared/limits.ts'
import { at, type TestRegion, textAt, until } from '../support/region.ts'

const DEAD = 2_000_000

export function reconcilePromises(regionOf: () => TestRegion): void {
  const create = async (body: object = {}): Promise<string> =>
    textAt((await regionOf().ask('/v1/sandboxes', { method: 'POST', body })).json, 'data', 'id')
  const stateOf = async (id: string): Promise<string | undefined> =>
    (await regionOf().sql<{ state: string }>('select state from sandbox where id = $1', [id]))[0]?.state
  const becomes = (id: string, state: string) =>
    until(`${id} to be ${state}`, async () => (await stateOf(id)) === state)
  const vmOf = (id: string): VmRecord => {
    const vm = regionOf().host.vms.get(id)
    assert.ok(vm)
    return vm
  }
  const isReleased = async (id: string): Promise<boolean> =>
    (await regionOf().sql('select from sandbox where id = $1 and released_at is not null', [id])).length === 1
  /** As it stands when a controller was killed while it made the sandbox. */
  const orphan = (id: string, state: string) =>
    regionOf().sql(
      `update sandbox set state = $2, ready_at = null, instance = $3, changed_at = now() - interval '1 minute' where id = $1`,
      [id, state, DEAD],
    )

  test('a machine without a row is ended', async () => {
    const { host } = regionOf()
    const id = await create()
    host.vms.set('sbx_stray', { ...vmOf(id), id: 'sbx_stray' })
    await until('the stray to end', () => !host.vms.has('sbx_stray'))
    assert.equal(await stateOf(id), 'running')
  })

  test('a machine that ended by itself makes its row an error with the reason, and frees its room', async () => {
    const { host } = regionOf()
    const id = await create()
    host.vms.delete(id)
    host.lost.push({ id, reason: 'QEMU was killed.', at_ms: Date.now() })
    await becomes(id, 'error')
    const { json } = await regionOf().ask(`/v1/sandboxes/${id}`)
    assert.equal(textAt(json, 'data', 'last_error'), 'QEMU was killed.')
    await until('its room to be free', () => isReleased(id))
    await until('the loss to be acknowledged', () => host.lost.length === 0)
  })

  // The last words of a machine are its guest's: PostgreSQL takes no NUL, and a terminal no escape sequence.
  test('why a machine ended is told in one short line, whatever it said at last, and of no sandbox that runs', async () => {
    const { host } = regionOf()
    const [died, runs] = [await create(), await create()]
    const reason = `\0Kernel panic:\u001b[31m\r\nno \ud800init\u202e ${'\u{1f480}'.repeat(LIMITS.lastErrorCharsMax)}`
    host.vms.delete(died)
    host.lost.push({ id: died, reason, at_ms: Date.now() })
    await becomes(died, 'error')
    const wordsOf = async (id: string) => at((await regionOf().ask(`/v1/sandboxes/${id}`)).json, 'data', 'last_error')
    const words = await wordsOf(died)
    assert.match(String(words), /^Kernel panic: \[31m no init \u{1f480}+\ufffd?$/u)
    assert.ok(String(words).length <= LIMITS.lastErrorCharsMax)
    assert.equal(await wordsOf(runs), null)
  })

  test('a create that lost its controller is finished when its machine runs, and ended when there is none', async () => {
    const { host } = regionOf()
    const [runs, gone] = [await create(), await create()]
    for (const id of [runs, gone]) await orphan(id, 'creating')
    host.vms.delete(gone)
    await becomes(runs, 'running')
    await becomes(gone, 'error')
    await until('its room to be free', () => isReleased(gone))
  })

  test('a resume that lost its controller becomes what the machine is', async () => {
    const id = await create()
    vmOf(id).state = 'paused'
    await orphan(id, 'provisioning')
    await becomes(id, 'paused')
  })

  test('a create in flight is left alone, however often the reconciler looks', async () => {
    const region = regionOf()
    const gate = Promise.withResolvers<void>()
    region.host.mishaps.push({ kind: 'hang', until: gate.promise })
    const making = region.ask('/v1/sandboxes', { method: 'POST', body: {} })
    await sleep(LIMITS.instanceGraceMs + 2 * LIMITS.reconcileMs)
    gate.resolve()
    const answer = await making
    assert.equal(answer.status, 201, answer.text)
  })

  test('time that is over pauses what is kept and destroys what is not, by the host or without it', async () => {
    const { host } = regionOf()
    const kept = await create({ timeout_sec: 1 })
    const dropped = await create({ timeout_sec: 1, persistent: false })
    // This host does nothing by itself, so the controller must.
    await becomes(kept, 'paused')
    await becomes(dropped, 'destroyed')
    assert.equal(vmOf(kept).state, 'paused')
    await until('the machine to end', () => !host.vms.has(dropped))

    const endedThere = await create({ timeout_sec: 1, persistent: false })
    await sleep(1_050)
    host.vms.delete(endedThere)
    await becomes(endedThere, 'destroyed')
    const idleThere = await create({ idle_timeout_sec: 60, persistent: false })
    host.vms.delete(idleThere)
    host.lost.push({ id: idleThere, reason: 'Its time was over.', cause: 'expired', at_ms: Date.now() })
    await becomes(idleThere, 'destroyed')
    const diedThere = await create({ timeout_sec: 1, persistent: false })
    host.vms.delete(diedThere)
    host.lost.push({ id: diedThere, reason: 'QEMU was killed.', cause: 'died', at_ms: Date.now() })
    await becomes(diedThere, 'error')
    const pausedThere = await create()
    vmOf(pausedThere).state = 'paused'
    await becomes(pausedThere, 'paused')
  })

  test('a machine that runs though its row is paused is paused', async () => {
    const region = regionOf()
    const id = await create()
    await region.ask(`/v1/sandboxes/${id}/pause`, { method: 'POST' })
    vmOf(id).state = 'running'
    await until('the machine to be paused', () => vmOf(id).state === 'paused')
    assert.equal(await stateOf(id), 'paused')
  })

  // Else a sandbox that was just woken would be written down as paused, because its host was looked at a moment before.
  test('a row that has changed since its host was looked at is left as it is', async () => {
    const { controller } = regionOf().running
    const id = await create()
    const host = controller.hosts.get(regionOf().host.name)
    assert.ok(host)
    const inventory = async (): ReturnType<typeof host.inventory> => {
      const answer = await host.inventory()
      if (answer.kind !== 'done') return answer
      const vms = answer.value.vms.map((vm) => (vm.id === id ? { ...vm, state: 'paused' as const } : vm))
      await regionOf().sql('update sandbox set revision = revision + 1, changed_at = clock_timestamp() where id = $1', [
        id,
      ])
      return { kind: 'done', value: { ...answer.value, vms } }
    }
    await matchHost(controller, { ...host, inventory })
    assert.equal(await stateOf(id), 'running')
  })

  test('a host that is slow to end many machines without rows does not hold up a stop', async () => {
    const { host, restart } = regionOf()
    const id = await create()
    const [strays, slowMs] = [150, 400]
    for (let n = 0; n < strays; n++) host.vms.set(`sbx_stray_${n}`, { ...vmOf(id), id: `sbx_stray_${n}` })
    host.slowMs = slowMs
    try {
      await until('the first to end', () => host.vms.size <= strays)
      const from = performance.now()
      await restart()
      assert.ok(performance.now() - from < (strays * slowMs) / 2)
    } finally {
      host.slowMs = 0
    }
    await until('all to end', () => !host.vms.has(`sbx_stray_${strays - 1}`))
  })

  test('a restart keeps every sandbox', async () => {
    const region = regionOf()
    const id = await create()
    await region.restart()
    await sleep(2 * LIMITS.reconcileMs)
    assert.equal(await stateOf(id), 'running')
    const ran = await region.ask(`/v1/sandboxes/${id}/exec`, { method: 'POST', body: { command: 'echo still' } })
    assert.equal(ran.status, 200, ran.text)
  })
}
