/** Hosts that refuse, fail, die, hang and are away: nothing half-made stays, and no command runs twice. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { AppError } from '../../../../shared/errors.ts'
import type { HostDouble, Mishap } from '../support/host-double.ts'
import { type Answer, at, type TestRegion, textAt, until } from '../support/region.ts'

export function failurePromises(regionOf: () => TestRegion): void {
  const create = (body: object = {}) => regionOf().ask('/v1/sandboxes', { method: 'POST', body })
  const run = (command: string) => regionOf().ask('/v1/sandboxes/run', { method: 'POST', body: { command } })
  /** Placement is not what is tested here, so whichever host is chosen has the mishap. */
  const eachHost = (mishap: Mishap): void => regionOf().hosts.forEach((host) => void host.mishaps.push(mishap))
  const calm = (): void => regionOf().hosts.forEach((host) => void host.mishaps.splice(0))
  const rowOf = async (id: string) =>
    (
      await regionOf().sql<{ state: string; released_at: Date | null; host: string }>(
        'select * from sandbox where id = $1',
        [id],
      )
    )[0]
  const code = ({ json }: Answer): string => textAt(json, 'error', 'code')
  const lastRow = async () =>
    (
      await regionOf().sql<{ id: string; state: string; released_at: Date | null }>(
        'select * from sandbox order by created_at desc limit 1',
      )
    )[0]
  const machines = (): number => regionOf().hosts.reduce((sum, host) => sum + host.vms.size, 0)
  const hostOf = async (id: string): Promise<HostDouble> => {
    const row = await rowOf(id)
    const host = regionOf().hosts.find(({ name }) => name === row?.host)
    assert.ok(host)
    return host
  }

  test('a host that refuses costs nothing: the next one takes the sandbox', async () => {
    const region = regionOf()
    const refusal = new AppError('host_memory_exhausted', 'This host is out of memory.')
    // Only the first that is asked refuses.
    let refused = false
    for (const host of region.hosts)
      host.mishaps.push({
        kind: 'refuse',
        get error() {
          refused = true
          for (const other of region.hosts) if (other !== host) other.mishaps.splice(0)
          return refusal
        },
      })
    const answer = await run('echo 1')
    calm()
    assert.equal(answer.status, 201, answer.text)
    assert.ok(refused)
    const id = textAt(answer.json, 'data', 'id')
    assert.ok((await hostOf(id)).vms.has(id))
  })

  test('when every host refuses, the caller hears why, and nothing is left', async () => {
    const before = machines()
    eachHost({ kind: 'refuse', error: new AppError('host_memory_exhausted', 'This host is out of memory.') })
    const answer = await create()
    calm()
    assert.deepEqual(
      [answer.status, code(answer), answer.headers.get('x-not-executed')],
      [503, 'host_memory_exhausted', '1'],
    )
    const row = await lastRow()
    assert.equal(row?.state, 'destroyed')
    assert.ok(row?.released_at)
    assert.equal(machines(), before)
  })

  test('a boot that failed is an error that says so, frees everything, and shows its reason', async () => {
    const region = regionOf()
    const { key, tenant } = await region.newKey({ concurrency: 1 })
    eachHost({ kind: 'fail', error: new AppError('boot_failed', 'The kernel panicked.') })
    const answer = await region.ask('/v1/sandboxes', { method: 'POST', key, body: {} })
    calm()
    assert.deepEqual([answer.status, code(answer)], [503, 'boot_failed'])
    const listed = await region.ask('/v1/sandboxes?state=error', { key })
    assert.equal(textAt(listed.json, 'data', '0', 'metadata', 'last_error'), 'The kernel panicked.')
    assert.deepEqual(await region.sql('select used from quota_grant where tenant = $1', [tenant]), [{ used: 0 }])
    assert.equal((await region.ask('/v1/sandboxes', { method: 'POST', key, body: {} })).status, 201)
  })

  for (const kind of ['die_before_ready', 'die_after_ready', 'nonsense', 'cut_frame'] as const) {
    // A client that is told 409 or 503 here makes another one, and pays for both until the first is found.
    test(`a create whose host goes ${kind} is made, once`, async () => {
      const before = machines()
      eachHost({ kind })
      const answer = await create()
      calm()
      assert.equal(answer.status, 201, answer.text)
      assert.equal((await rowOf(textAt(answer.json, 'data', 'id')))?.state, 'running')
      assert.equal(machines(), before + 1)
    })

    test(`a run whose host goes ${kind} is not repeated: 504, and nothing is left`, async () => {
      const region = regionOf()
      const before = machines()
      const command = `echo ${randomUUID()}`
      eachHost({ kind })
      const answer = await run(command)
      calm()
      assert.deepEqual([answer.status, code(answer)], [504, 'outcome_unknown'], answer.text)
      const ran = region.hosts.flatMap(({ commands }) => commands).filter((line) => line.endsWith(command))
      assert.ok(ran.length <= 1)
      assert.equal((await rowOf(textAt(answer.json, 'error', 'details', 'sandbox_id')))?.state, 'error')
      assert.equal(machines(), before)
    })
  }

  test('a region without a reachable host says that nothing was executed', async () => {
    const region = regionOf()
    for (const host of region.hosts) await host.away()
    try {
      const answer = await create()
      assert.deepEqual(
        [answer.status, code(answer), answer.headers.get('x-not-executed')],
        [503, 'region_unavailable', '1'],
      )
    } finally {
      for (const host of region.hosts) await host.back()
    }
  })

  test('destroy is durable while the host is away, and its room is given back when it is', async () => {
    const region = regionOf()
    const id = textAt((await create()).json, 'data', 'id')
    const host = await hostOf(id)
    await host.away()
    try {
      assert.equal((await region.ask(`/v1/sandboxes/${id}`, { method: 'DELETE' })).status, 204)
      assert.equal((await region.ask(`/v1/sandboxes/${id}`)).status, 404)
      assert.equal((await rowOf(id))?.released_at, null)
    } finally {
      await host.back()
    }
    await until('the host to be cleared', async () => (await rowOf(id))?.released_at !== null)
    assert.ok(!host.vms.has(id))
  })

  test('a command for a sandbox whose host is away is refused, and works when it is back', async () => {
    const region = regionOf()
    const id = textAt((await create()).json, 'data', 'id')
    const host = await hostOf(id)
    const exec = () => region.ask(`/v1/sandboxes/${id}/exec`, { method: 'POST', body: { command: 'echo 1' } })
    await host.away()
    try {
      const answer = await exec()
      assert.deepEqual([answer.status, code(answer)], [503, 'host_unavailable'])
    } finally {
      await host.back()
    }
    assert.equal((await exec()).status, 200)
  })

  // Else whoever keeps enough commands running takes a host away from everybody else.
  test('commands that last hold up no pause, no create and no destroy on their host', async () => {
    const region = regionOf()
    const [busy, other] = [textAt((await create()).json, 'data', 'id'), textAt((await create()).json, 'data', 'id')]
    const exec = () => region.ask(`/v1/sandboxes/${busy}/exec`, { method: 'POST', body: { command: 'sleep 4' } })
    const before = region.hosts.flatMap(({ commands }) => commands).length
    const lasting = Array.from({ length: 300 }, exec)
    await until('all to run', () => region.hosts.flatMap(({ commands }) => commands).length === before + 300)
    const [paused, made, ended] = await Promise.all([
      region.ask(`/v1/sandboxes/${other}/pause`, { method: 'POST' }),
      create(),
      create().then(({ json }) => region.ask(`/v1/sandboxes/${textAt(json, 'data', 'id')}`, { method: 'DELETE' })),
    ])
    assert.deepEqual([paused.status, made.status, ended.status], [200, 201, 204])
    for (const { status } of await Promise.all(lasting)) assert.equal(status, 200)
  })

  test('a sandbox whose machine its host no longer has is an error, and says so', async () => {
    const region = regionOf()
    const id = textAt((await create()).json, 'data', 'id')
    ;(await hostOf(id)).vms.delete(id)
    const answer = await region.ask(`/v1/sandboxes/${id}/exec`, { method: 'POST', body: { command: 'echo 1' } })
    assert.ok(['sandbox_lost', 'sandbox_not_running'].includes(code(answer)), answer.text)
    const got = await region.ask(`/v1/sandboxes/${id}`)
    assert.equal(at(got.json, 'data', 'state'), 'error')
    assert.ok(textAt(got.json, 'data', 'metadata', 'last_error').length > 0)
  })

  test('a sandbox that its host has paused in time wakes for a command before the row knows', async () => {
    const region = regionOf()
    const id = textAt((await create()).json, 'data', 'id')
    const vm = (await hostOf(id)).vms.get(id)
    assert.ok(vm)
    vm.state = 'paused'
    const answer = await region.ask(`/v1/sandboxes/${id}/exec`, { method: 'POST', body: { command: 'echo 1' } })
    assert.equal(answer.status, 200, answer.text)
  })

  // The reconciler and the command see the same pause; whoever writes it first, the command runs.
  test('a sandbox whose pause the reconciler writes first wakes for a command all the same', async () => {
    const region = regionOf()
    const id = textAt((await create()).json, 'data', 'id')
    const host = await hostOf(id)
    const vm = host.vms.get(id)
    assert.ok(vm)
    const held = host.hold('exec')
    const asked = region.ask(`/v1/sandboxes/${id}/exec`, { method: 'POST', body: { command: 'echo 1' } })
    await held.arrived
    vm.state = 'paused'
    await region.sql(`update sandbox set state = 'paused', revision = revision + 1 where id = $1`, [id])
    held.release()
    const answer = await asked
    assert.equal(answer.status, 200, answer.text)
  })

  test('a pause that a command has overtaken does not freeze it: the caller hears of the conflict', async () => {
    const region = regionOf()
    const id = textAt((await create()).json, 'data', 'id')
    const host = await hostOf(id)
    const held = host.hold('pause')
    const pausing = region.ask(`/v1/sandboxes/${id}/pause`, { method: 'POST' })
    await held.arrived
    // As when it was paused and woken in between.
    await region.sql('update sandbox set revision = revision + 2, started_at = now() where id = $1', [id])
    held.release()
    const answer = await pausing
    assert.deepEqual([answer.status, code(answer)], [409, 'state_conflict'], answer.text)
  })

  test('a caller who goes away leaves a sandbox that runs, and the row says so', async () => {
    const region = regionOf()
    const { key } = await region.newKey()
    const gate = Promise.withResolvers<void>()
    eachHost({ kind: 'hang', until: gate.promise })
    const left = new AbortController()
    const request = fetch(`${region.url}/v1/sandboxes`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}` },
      body: '{}',
      signal: left.signal,
    }).catch(() => 'left')
    await until('the row', async () => at((await region.ask('/v1/sandboxes', { key })).json, 'data', 'length') === 1)
    left.abort()
    assert.equal(await request, 'left')
    gate.resolve()
    calm()
    await until(
      'it to run',
      async () => textAt((await region.ask('/v1/sandboxes', { key })).json, 'data', '0', 'state') === 'running',
    )
  })

  // Nobody could read what it says, and it would hold its sandbox's CPU until its timeout.
  test('a caller of exec who goes away takes the command along, one of run does not, and one who was answered is not gone', async () => {
    const region = regionOf()
    const { key } = await region.newKey()
    const made = await region.ask('/v1/sandboxes', { method: 'POST', key, body: {} })
    const id = textAt(made.json, 'data', 'id')
    const host = await hostOf(id)
    const askAndLeave = async (path: string, command: string): Promise<void> => {
      const left = new AbortController()
      const answer = fetch(region.url + path, {
        method: 'POST',
        headers: { authorization: `Bearer ${key}` },
        body: JSON.stringify({ command }),
        signal: left.signal,
      }).catch(() => 'left')
      const started = () => region.hosts.some(({ commands }) => commands.some((line) => line.endsWith(command)))
      await until('the command', started)
      left.abort()
      assert.equal(await answer, 'left')
    }
    const isBrokenOff = (command: string): boolean =>
      region.hosts.some(({ brokenOff }) => brokenOff.some((line) => line.endsWith(command)))

    await askAndLeave(`/v1/sandboxes/${id}/exec`, 'sleep 60.01')
    await until('the command to be broken off', () => isBrokenOff('sleep 60.01'))
    const next = await region.ask(`/v1/sandboxes/${id}/exec`, { method: 'POST', key, body: { command: 'echo on' } })
    assert.deepEqual([next.status, at(next.json, 'data', 'stdout')], [200, 'on\n'], 'the sandbox is none the worse')

    await askAndLeave('/v1/sandboxes/run', 'sleep 3.02')
    await until('it to run', async () => {
      const rows = (await region.ask('/v1/sandboxes', { key })).json
      return at(rows, 'data', '0', 'state') === 'running' && textAt(rows, 'data', '0', 'id') !== id
    })
    await sleep(3_500)
    assert.ok(!isBrokenOff('sleep 3.02'))
    assert.deepEqual(
      host.brokenOff.filter((line) => line.endsWith('echo on')),
      [],
    )
  })

  test('a sandbox that is destroyed while it is made does not live on', async () => {
    const region = regionOf()
    const { key } = await region.newKey()
    const gate = Promise.withResolvers<void>()
    eachHost({ kind: 'hang', until: gate.promise })
    const making = region.ask('/v1/sandboxes', { method: 'POST', key, body: {} })
    let id = ''
    await until('the row', async () => {
      id = textAt((await region.ask('/v1/sandboxes', { key })).json, 'data', '0', 'id')
      return id.startsWith('sbx_')
    })
    assert.equal((await region.ask(`/v1/sandboxes/${id}`, { method: 'DELETE', key })).status, 204)
    gate.resolve()
    assert.deepEqual([(await making).status, code(await making)], [409, 'sandbox_not_running'])
    calm()
    await until('the host to be cleared', async () => !(await hostOf(id)).vms.has(id))
  })
}
