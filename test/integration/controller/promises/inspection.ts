/** What is told of one sandbox is measured, or said to be missing; and looking changes nothing. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cpuPercent } from '../../../../origin/controller/inspection/measure.ts'
import { INSPECTION_ROUTES } from '../../../../shared/contracts/inspection.ts'
import { LIMITS } from '../../../../shared/limits.ts'
import { at, type TestRegion, textAt, until } from '../support/region.ts'

export function inspectionPromises(regionOf: () => TestRegion): void {
  const create = async (): Promise<string> =>
    textAt((await regionOf().ask('/v1/sandboxes', { method: 'POST', body: { size: 'small' } })).json, 'data', 'id')
  const read = async (path: string) => {
    const answer = await regionOf().ask(path)
    assert.equal(answer.status, 200, answer.text)
    return answer.json
  }
  const follow = async (path: string, enough: (text: string) => boolean, headers: Record<string, string> = {}) => {
    const region = regionOf()
    const leaving = new AbortController()
    const response = await fetch(region.url + path, {
      headers: { authorization: `Bearer ${region.key}`, ...headers },
      signal: AbortSignal.any([leaving.signal, AbortSignal.timeout(60_000)]),
    })
    assert.deepEqual([response.status, response.headers.get('content-type')], [200, 'text/event-stream'])
    let text = ''
    for await (const chunk of response.body ?? []) {
      text += new TextDecoder().decode(chunk)
      if (enough(text)) break
    }
    leaving.abort()
    return text
  }
  const linesOf = (text: string): unknown[] =>
    [...text.matchAll(/^data: (.*)$/gm)].map(([, json]) => at(JSON.parse(json ?? ''), 'line'))

  test('every answer is of the shape that its contract gives', async () => {
    const id = await create()
    for (const route of [
      INSPECTION_ROUTES.usage,
      INSPECTION_ROUTES.metrics,
      INSPECTION_ROUTES.logs,
      INSPECTION_ROUTES.artifacts,
    ])
      route.answer.parse(await read(route.path.replace(':id', id)))
    const started = await regionOf().ask(`/v1/sandboxes/${id}/template/start`, { method: 'POST', body: {} })
    assert.equal(INSPECTION_ROUTES.startTemplate.answer.parse(started.json).data.started, false)
  })

  test('usage of a sandbox adds up all the times that it ran, and says what could not be measured', async () => {
    const region = regionOf()
    const id = await create()
    await region.sql(`update usage_interval set opened_at = opened_at - interval '1 hour' where sandbox = $1`, [id])
    await region.ask(`/v1/sandboxes/${id}/pause`, { method: 'POST' })
    const paused = at(await read(`/v1/sandboxes/${id}/usage`), 'data')
    const runtimeSec = Number(at(paused, 'runtime_sec'))
    assert.ok(runtimeSec >= 3_600 && runtimeSec < 3_660)
    const vcpuMs = Number(at(paused, 'provisioned_vcpu_ms'))
    assert.ok(vcpuMs >= 2 * 3_600_000 && vcpuMs < 2 * 3_660_000)
    assert.equal(Number(at(paused, 'provisioned_memory_mb_ms')), (vcpuMs / 2) * 4_096)
    // 2 x 0.05 + 4 x 0.016 + 20 x 0.0001, for an hour and a little.
    const cents = Number(at(paused, 'estimated_cost_cents'))
    assert.ok(cents >= 16.6 && cents < 16.65, String(cents))
    assert.equal(textAt(paused, 'measurement_status', 'active_cpu'), 'measured')
    assert.equal(at(paused, 'timeout_remaining_ms'), null)

    region.host.vms.delete(id)
    const lost = at(await read(`/v1/sandboxes/${id}/usage`), 'data')
    assert.deepEqual([at(lost, 'active_cpu_ms'), textAt(lost, 'measurement_status', 'active_cpu')], [0, 'unavailable'])
  })

  test('metrics are of this moment, and absent when the machine cannot be asked', async () => {
    const region = regionOf()
    const id = await create()
    const current = at(await read(`/v1/sandboxes/${id}/metrics?window=30m`), 'data', 'current')
    // The double keeps half of one processor busy; the sandbox has two.
    assert.ok(Math.abs(Number(at(current, 'cpu_percent')) - 25) <= 1, JSON.stringify(current))
    assert.deepEqual(
      [at(current, 'memory_used_mb'), at(current, 'memory_private_mb'), at(current, 'disk_used_mb')],
      [212, 40, 7],
    )
    await region.host.away()
    try {
      const gone = at(await read(`/v1/sandboxes/${id}/metrics`), 'data', 'current')
      assert.deepEqual(
        [at(gone, 'cpu_count'), at(gone, 'cpu_percent'), at(gone, 'memory_used_mb'), at(gone, 'measurement_status')],
        [2, null, null, 'unavailable'],
      )
    } finally {
      await region.host.back()
    }
    assert.equal((await region.ask(`/v1/sandboxes/${id}/metrics?window=ever`)).status, 422)
  })

  test('a processor is never more than all of it busy, nor less than none, whatever the clocks say', () => {
    const stats = (at_ms: number, cpu_ms: number) => ({ at_ms, cpu_ms }) as Parameters<typeof cpuPercent>[0]
    assert.equal(cpuPercent(stats(0, 0), stats(100, 100), 2), 50)
    assert.equal(cpuPercent(stats(0, 0), stats(100, 900), 2), 100)
    assert.equal(cpuPercent(stats(0, 50), stats(100, 0), 2), 0)
    assert.equal(cpuPercent(stats(5, 0), stats(5, 100), 2), 0)
  })

  test('logs are the last lines of the console', async () => {
    const { host } = regionOf()
    host.console = Array.from({ length: 150 }, (_, index) => `line ${index}`)
    const id = await create()
    const lines = at(await read(`/v1/sandboxes/${id}/logs`), 'data', 'lines')
    assert.ok(Array.isArray(lines))
    assert.deepEqual([lines.length, lines[0], lines.at(-1)], [100, 'line 50', 'line 149'])
    assert.deepEqual(at(await read(`/v1/sandboxes/${id}/logs?lines=1`), 'data', 'lines'), ['line 149'])
    assert.equal((await regionOf().ask(`/v1/sandboxes/${id}/logs?lines=0`)).status, 422)
  })

  test('a log that is followed tells each line once, goes on where it broke off, and ends with its sandbox', async () => {
    const region = regionOf()
    region.host.console = ['a', 'b', 'c']
    const id = await create()
    const path = `/v1/sandboxes/${id}/logs/stream`
    const text = await follow(`${path}?lines=2`, (so) => {
      if (so.includes('"c"') && !region.host.console.includes('d')) region.host.console.push('d', 'e')
      return so.includes('"e"')
    })
    assert.deepEqual(linesOf(text), ['b', 'c', 'd', 'e'])
    assert.match(text, /event: log\nid: 4\ndata: \{"type":"log","line":"e","ts":"/)
    region.host.console.push('f')
    assert.deepEqual(linesOf(await follow(path, (so) => so.includes('"f"'), { 'last-event-id': '3' })), ['e', 'f'])

    const toTheEnd = follow(path, () => false)
    await region.ask(`/v1/sandboxes/${id}`, { method: 'DELETE' })
    assert.match(await toTheEnd, /event: end\n/)
    assert.equal((await region.ask(path)).status, 404)
  })

  test('a stream of logs ends when its key is revoked, and frees its place when its reader has gone', async () => {
    const region = regionOf()
    const { streams } = region.running.controller.events
    const account = await region.newKey()
    const made = await region.ask('/v1/sandboxes', { method: 'POST', key: account.key, body: {} })
    const path = `/v1/sandboxes/${textAt(made.json, 'data', 'id')}/logs/stream`
    region.host.console = ['a']
    const opened = Promise.withResolvers<void>()
    const noteLine = (text: string): boolean => {
      if (text.includes('"a"')) opened.resolve()
      return false
    }
    const following = follow(path, noteLine, { authorization: `Bearer ${account.key}` })
    await opened.promise
    await region.sql(`update api_key set status = 'revoked' where id = $1`, [account.keyId])
    assert.match(await following, /event: error\ndata: \{"type":"error","code":"revoked_token"/)

    const reader = await region.newKey()
    const own = await region.ask('/v1/sandboxes', { method: 'POST', key: reader.key, body: {} })
    const ownPath = `/v1/sandboxes/${textAt(own.json, 'data', 'id')}/logs/stream`
    region.host.console.push('x')
    await follow(ownPath, (text) => text.includes('"x"'), { authorization: `Bearer ${reader.key}` })
    /** Takes every place that is left. */
    const fill = () => {
      const held: { close(): void }[] = []
      try {
        for (;;) held.push(streams.open({ key: reader.keyId, tenant: reader.tenant }))
      } catch {
        return held
      }
    }
    await until('its place to be free', () => {
      const held = fill()
      for (const place of held) place.close()
      return held.length === LIMITS.eventStreamsPerTenantMax
    })
    const held = fill()
    assert.equal((await region.ask(ownPath, { key: reader.key })).status, 429)
    for (const place of held) place.close()
  })

  test('looking neither wakes a sandbox nor needs more than the right to look', async () => {
    const region = regionOf()
    const id = await create()
    await region.ask(`/v1/sandboxes/${id}/pause`, { method: 'POST' })
    for (const suffix of ['usage', 'metrics', 'logs', 'artifacts']) await read(`/v1/sandboxes/${id}/${suffix}`)
    assert.equal(region.host.vms.get(id)?.state, 'paused')
    const stranger = await region.newKey()
    for (const suffix of ['usage', 'metrics', 'logs', 'logs/stream', 'artifacts'])
      assert.equal((await region.ask(`/v1/sandboxes/${id}/${suffix}`, { key: stranger.key })).status, 404, suffix)
  })
}
