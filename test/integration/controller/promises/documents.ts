/** What people and browsers find before they have a key: the document, the page, and the rules for pages of other origins. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { at, type TestRegion } from '../support/region.ts'

export function documentPromises(regionOf: () => TestRegion): void {
  test('the document and the page need no key, and are whole', async () => {
    const region = regionOf()
    for (const path of ['/v1/openapi.json', '/api/v1/openapi.json'])
      assert.equal(at((await region.ask(path, { key: null })).json, 'openapi'), '3.1.0')
    const page = await (await fetch(`${region.url}/docs`)).text()
    const parts = [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path = '']) => path)
    assert.ok(parts.length >= 5)
    for (const path of parts) {
      const part = await fetch(region.url + path)
      assert.equal(part.status, 200, path)
      assert.ok((await part.arrayBuffer()).byteLength > 0, path)
      assert.equal(part.headers.get('x-content-type-options'), 'nosniff')
    }
    assert.equal((await region.ask('/docs/../package.json', { key: null })).status, 404)
    assert.equal((await region.ask('/docs/nothing', { key: null })).status, 404)
  })

  // A key is typed into this page: no script from elsewhere may run beside it, and no page may frame it.
  test('the page may load nothing from elsewhere, run nothing inline, and be shown in no frame', async () => {
    const answer = await fetch(`${regionOf().url}/docs/`)
    const policy = answer.headers.get('content-security-policy') ?? ''
    assert.match(policy, /default-src 'none'/)
    assert.match(policy, /frame-ancestors 'none'/)
    assert.ok(!/unsafe|https?:|\*/.test(policy), policy)
    assert.ok(!/<script>|\bon\w+=|style=/.test(await answer.text()))
  })

  test('a browser of another origin may ask, and read every answer', async () => {
    const region = regionOf()
    const origin = { origin: 'https://a.example' }
    const asking = {
      ...origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization',
    }
    const asked = await fetch(`${region.url}/v1/sandboxes`, { method: 'OPTIONS', headers: asking })
    assert.equal(asked.status, 204)
    assert.equal(asked.headers.get('access-control-allow-origin'), '*')
    assert.match(asked.headers.get('access-control-allow-methods') ?? '', /DELETE/)
    assert.equal(asked.headers.get('access-control-allow-headers'), 'authorization')
    for (const path of ['/v1/sandboxes', '/v1/nowhere', '/v1/sandboxes/nobody']) {
      const answer = await region.ask(path, { headers: origin })
      assert.equal(answer.headers.get('access-control-allow-origin'), '*', path)
      assert.equal((await region.ask(path)).headers.get('access-control-allow-origin'), null, path)
    }
  })
}
