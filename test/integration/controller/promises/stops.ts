/** Sandboxes that are paused, or whose time is over, while commands run in them: callers hear it at once, and nothing runs twice. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { type Answer, at, type TestRegion, textAt, until } from '../support/region.ts'

type Row = { id: string; state: string; last_error: string | null; released_at: Date | null }

export function stopPromises(regionOf: () => TestRegion): void {
  const code = ({ json }: Answer): string => textAt(json, 'error', 'code')
  const rowOf = async (id: string) => (await regionOf().sql<Row>('select * from sandbox where id = $1', [id]))[0]
  const create = async (body: object = {}) =>
    textAt((await regionOf().ask('/v1/sandboxes', { method: 'POST', body })).json, 'data', 'id')
  const exec = (id: string, command: string) =>
    regionOf().ask(`/v1/sandboxes/${id}/exec`, { method: 'POST', body: { command } })
  const run = (key: string, body: object) =>
    regionOf().ask('/v1/sandboxes/run', { method: 'POST', headers: { 'idempotency-key': key }, body })

  /** The sandbox in which this command runs. */
  async function runningIn(command: string): Promise<string> {
    const line = () => regionOf().host.commands.find((one) => one.endsWith(command))
    await until('the command to run', () => line() !== undefined)
    const id = String(line()?.split(':')[0])
    await until('the row to say so', async () => (await rowOf(id))?.state === 'running')
    return id
  }
  /** As a host does when its own clock says so. */
  const pauseThere = (id: string): void => void Object.assign(regionOf().host.vms.get(id) ?? {}, { state: 'paused' })
  const expireThere = (id: string): void => {
    regionOf().host.vms.delete(id)
    regionOf().host.lost.push({ id, reason: 'Its time was over.', cause: 'expired', at_ms: Date.now() })
  }

  test('a command whose sandbox is paused by request is answered 409 sandbox_paused, and the pause 200', async () => {
    const id = await create()
    const command = `sleep 1${Date.now() % 1_000}`
    const waiting = [exec(id, command), exec(id, command)]
    await until('both to run', () => regionOf().host.commands.filter((one) => one.endsWith(command)).length === 2)
    const paused = await regionOf().ask(`/v1/sandboxes/${id}/pause`, { method: 'POST' })
    assert.deepEqual([paused.status, at(paused.json, 'data', 'state')], [200, 'paused'], paused.text)
    for (const answer of await Promise.all(waiting)) {
      assert.deepEqual([answer.status, code(answer)], [409, 'sandbox_paused'], answer.text)
      assert.equal(at(answer.json, 'error', 'details', 'sandbox_id'), id)
    }
    assert.equal((await rowOf(id))?.state, 'paused')
    assert.equal((await exec(id, 'echo 1')).status, 200)
  })

  test('a command by a name runs in the living sandbox of that name, in none that failed, and in none of another tenant', async () => {
    const region = regionOf()
    const name = `twice ${randomUUID()}`
    const failed = await create({ name })
    region.host.vms.delete(failed)
    assert.equal(code(await exec(failed, 'echo lost')), 'sandbox_lost')
    const byName = encodeURIComponent(name)
    assert.equal(code(await exec(byName, 'echo nowhere')), 'sandbox_not_running')
    const living = await create({ name })
    const command = `echo ${randomUUID()}`
    assert.equal((await exec(byName, command)).status, 200)
    assert.ok(region.host.commands.some((one) => one.startsWith(living) && one.endsWith(command)))
    const { key } = await region.newKey()
    const body = { command }
    const foreign = await region.ask(`/v1/sandboxes/${byName}/exec`, { method: 'POST', key, body })
    assert.deepEqual([foreign.status, code(foreign)], [404, 'sandbox_not_found'])
  })

  test('a run whose sandbox is paused in time is answered 409 with its id, which goes on; its key never runs it again', async () => {
    const key = randomUUID()
    const body = { command: `sleep 2${Date.now() % 1_000}` }
    const first = run(key, body)
    const id = await runningIn(body.command)
    pauseThere(id)
    for (const answer of [await first, await run(key, body), await run(key, body)]) {
      assert.deepEqual([answer.status, code(answer)], [409, 'sandbox_paused'], answer.text)
      assert.equal(at(answer.json, 'error', 'details', 'sandbox_id'), id)
      assert.equal(at(answer.json, 'request_id'), answer.headers.get('x-request-id'))
    }
    assert.equal(regionOf().host.commands.filter((one) => one.endsWith(body.command)).length, 1)
    const row = await rowOf(id)
    assert.deepEqual([row?.state, row?.last_error], ['paused', null])
    assert.equal((await exec(id, 'echo 1')).status, 200)
  })

  test('a sandbox that is woken before a waiting caller has heard of its pause is not paused again', async () => {
    const id = await create()
    const command = `sleep 3${Date.now() % 1_000}`
    const waiting = exec(id, command)
    await until('it to run', () => regionOf().host.commands.some((one) => one.endsWith(command)))
    await regionOf().sql('update sandbox set revision = revision + 2 where id = $1', [id])
    const vm = regionOf().host.vms.get(id)
    assert.ok(vm)
    pauseThere(id)
    const answer = await waiting
    vm.state = 'running'
    assert.equal(code(answer), 'sandbox_paused')
    assert.equal((await exec(id, 'echo 1')).status, 200)
    assert.equal((await rowOf(id))?.state, 'running')
  })

  for (const kind of ['exec', 'run'] as const)
    test(`a sandbox that is not kept and whose time is over during its ${kind} is destroyed, not failed`, async () => {
      const key = randomUUID()
      const body = { command: `sleep 4${Date.now() % 1_000}`, persistent: false }
      const made = kind === 'exec' ? await create({ persistent: false }) : ''
      const first = kind === 'exec' ? exec(made, body.command) : run(key, body)
      const id = await runningIn(body.command)
      expireThere(id)
      const answers = kind === 'exec' ? [await first] : [await first, await run(key, body)]
      for (const answer of answers) {
        assert.deepEqual([answer.status, code(answer)], [410, 'sandbox_expired'], answer.text)
        assert.equal(at(answer.json, 'error', 'details', 'sandbox_id'), id)
      }
      assert.equal((await rowOf(id))?.state, 'destroyed')
      await until('its room to be free', async () => (await rowOf(id))?.released_at !== null)
      assert.equal((await regionOf().ask(`/v1/sandboxes/${id}`)).status, 404)
      assert.equal(regionOf().host.commands.filter((one) => one.endsWith(body.command)).length, 1)
    })
}
