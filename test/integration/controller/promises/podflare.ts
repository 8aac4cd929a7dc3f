/** Podflare's documented calls, as its documents show them. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { type Ask, type TestRegion, textAt } from '../support/region.ts'

export function podflarePromises(regionOf: () => TestRegion): void {
  const ask = (path: string, options: Ask = {}) => regionOf().ask(`/podflare/v1${path}`, options)

  test('a sandbox is ready when its create is answered, and is destroyed once', async () => {
    const made = await ask('/sandboxes', { method: 'POST', body: { template: 'python-datasci', egress: false } })
    const id = textAt(made.json, 'id')
    assert.deepEqual([made.status, made.json], [200, { id, state: 'ready' }], made.text)
    assert.equal(made.headers.get('x-podflare-region'), 'us-west')
    const ran = await regionOf().ask(`/v1/sandboxes/${id}/exec`, { method: 'POST', body: { command: 'echo 1' } })
    assert.equal(ran.status, 200, 'it is a sandbox like any other')
    const gone = await ask(`/sandboxes/${id}`, { method: 'DELETE' })
    assert.deepEqual([gone.status, gone.text], [204, ''])
    const again = await ask(`/sandboxes/${id}`, { method: 'DELETE' })
    assert.deepEqual([again.status, again.json], [404, { error: 'sandbox not found' }])
  })

  test('it is kept when it is asked to be, and else ends when nobody uses it', async () => {
    for (const [body, end] of [
      [{ persistent: true }, 'pause'],
      [{}, 'destroy'],
    ] as const) {
      const id = textAt((await ask('/sandboxes', { method: 'POST', body })).json, 'id')
      const vm = regionOf().host.vms.get(id)
      assert.deepEqual([vm?.on_expiry, vm?.idle_timeout_sec], [end, 300])
    }
  })

  test('one key makes one sandbox, and never meets the keys of our own door', async () => {
    const headers = { 'idempotency-key': randomUUID() }
    const [first, second] = [
      await ask('/sandboxes', { method: 'POST', body: {}, headers }),
      await ask('/sandboxes', { method: 'POST', body: {}, headers }),
    ]
    assert.deepEqual([second.json, second.headers.get('idempotent-replayed')], [first.json, 'true'])
    const ours = await regionOf().ask('/v1/sandboxes', { method: 'POST', body: {}, headers })
    assert.notEqual(textAt(ours.json, 'data', 'id'), textAt(first.json, 'id'))
  })

  test('errors are one text, with the statuses of its documents', async () => {
    const region = regionOf()
    const { key } = await region.newKey({ concurrency: 1 })
    await ask('/sandboxes', { method: 'POST', body: {}, key })
    const full = await ask('/sandboxes', { method: 'POST', body: {}, key })
    assert.deepEqual([full.status, full.json], [429, { error: 'concurrent sandbox limit reached (1)' }])
    assert.ok(full.headers.get('retry-after'))
    const nobody = await ask('/sandboxes', { method: 'POST', body: {}, key: 'pf_live_wrong' })
    assert.deepEqual([nobody.status, nobody.json], [401, { error: 'invalid api key' }])
    for (const [raw, text] of [
      ['{', /JSON/],
      ['{"template":"none"}', /no template/],
      ['{"template":7}', /template/],
    ] as const) {
      const wrong = await ask('/sandboxes', { method: 'POST', raw })
      assert.equal(wrong.status, 400, wrong.text)
      assert.match(textAt(wrong.json, 'error'), text)
    }
  })

  test('what is not there, or is asked wrongly, is refused in the same words', async () => {
    const nowhere = await ask('/sandboxes/x/nothing', { method: 'POST', body: {} })
    assert.deepEqual([nowhere.status, nowhere.json], [404, { error: 'There is no such route.' }])
    const wrong = await ask('/sandboxes', { method: 'PUT', body: {} })
    assert.deepEqual([wrong.status, typeof wrong.json.error], [405, 'string'])
  })

  test('anybody may ask whether the server lives', async () => {
    const response = await fetch(`${regionOf().url}/podflare/v1/healthz`)
    assert.deepEqual([response.status, await response.text()], [200, 'ok'])
  })
}
