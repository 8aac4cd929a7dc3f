/** Headers on their way through the edge: what clients may say twice or in odd ways, what is handed on, and what every answer carries. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { aSandboxIn, errorOf, freshKey, post, SECRETS, type Stage, setStage } from './stage/edge-stage.ts'

const RUN = '/v1/sandboxes/run'
const LOCAL_EDGE = fileURLToPath(new URL('../../../infra/edge/local-edge.ts', import.meta.url))

/** Headers exactly as given, which `fetch` would join into one. Resolves to the region that answered, or to the error's code. */
function askRaw({ edge, apiKey }: Stage, headers: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(new URL(RUN, edge.url), {
      method: 'POST',
      headers: ['host', edge.url.host, 'authorization', `Bearer ${apiKey}`, 'content-length', '2', ...headers],
    })
    request.on('response', (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () => {
        const body = JSON.parse(Buffer.concat(chunks).toString())
        resolve(body.error?.code ?? String(response.headers['x-region']))
      })
    })
    request.on('error', reject)
    request.end('{}')
  })
}

test('X-Region may come twice, and then is one list; two that name nothing, and a long one, are refused', async (t) => {
  const stage = await setStage(t)
  const twice = (one: string, other: string) => ['x-region', one, 'X-Region', other]
  const cases: [string[], string][] = [
    [twice('eu', 'us-west'), 'eu1'],
    [twice('eu', 'eu1'), 'eu1'],
    [twice('eu', 'mars'), 'unknown_region'],
    [twice('mars', 'any'), 'unknown_region'],
    [['x-region', 'eu', 'x-podflare-region', 'us-west'], 'eu1'],
    [['x-podflare-region', 'mars'], 'unknown_region'],
    [['x-region', ''], 'usw1'],
    [['x-region', ' , '], 'usw1'],
    [['x-region', 'eu,'.repeat(67)], 'invalid_header'],
    [['x-region', 'a,b,c,d,e,f,g,h,i'], 'invalid_header'],
    [['x-region', 'eu\tus-west'], 'unknown_region'],
    [['x-region', '__proto__'], 'unknown_region'],
  ]
  for (const [headers, expected] of cases) assert.equal(await askRaw(stage, headers), expected, headers.join(' '))
})

test('the prefix is stronger than any header, and serves the doors of other contracts, too', async (t) => {
  const { ask, eu1 } = await setStage(t)
  const answer = await ask(
    '/r/eu/podflare/v1/sandboxes',
    post({}, { 'x-region': 'us-west', 'x-podflare-region': 'us-west' }),
  )
  assert.equal(answer.headers.get('x-region'), 'eu1')
  assert.equal(eu1.received[0]?.url, '/podflare/v1/sandboxes')
  for (const path of ['/r/', '/r/eu', '/r//v1/sandboxes', '/r/eu/r/us-west/v1/sandboxes'])
    assert.equal((await ask(path)).status, 404, path)
})

// Clients of Podflare read one text where ours read an object, and ask for the health of a server without a key.
test('the door of Podflare is answered in its own words by the edge, too', async (t) => {
  const { ask, usw1, eu1 } = await setStage(t)
  const SANDBOXES = '/podflare/v1/sandboxes'
  const alive = await ask('/podflare/v1/healthz', { key: null })
  assert.deepEqual([alive.status, await alive.text()], [200, 'ok'])
  const refusals: [string, RequestInit & { key?: string | null }, number, unknown][] = [
    [SANDBOXES, { ...post({}), key: null }, 401, 'invalid api key'],
    [SANDBOXES, { ...post({}), key: 'pf_live_wrong' }, 401, 'invalid api key'],
    [`/r/eu${SANDBOXES}`, { ...post({}), key: 'pf_live_wrong' }, 401, 'invalid api key'],
    [`${SANDBOXES}/sbx_usw1_mistyped`, { method: 'DELETE' }, 404, 'sandbox not found'],
    [SANDBOXES, post({}, { 'x-podflare-region': 'mars' }), 400, /mars/],
  ]
  for (const [path, init, status, text] of refusals) {
    const refused = await ask(path, init)
    const { error } = (await refused.json()) as { error: string }
    assert.equal(refused.status, status, path)
    if (text instanceof RegExp) assert.match(error, text)
    else assert.equal(error, text)
  }
  assert.equal(usw1.received.length + eu1.received.length, 0)
})

test('what traces a request is handed on as it came', async (t) => {
  const { ask, usw1 } = await setStage(t)
  const trace = {
    traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
    tracestate: 'vendor=a,other=b',
    baggage: 'user=7',
  }
  await ask(`/v1/sandboxes/${aSandboxIn('usw1')}`, { headers: trace })
  for (const [name, value] of Object.entries(trace)) assert.equal(usw1.received[0]?.headers[name], value)
})

// A page that may not read why it was refused cannot tell its user.
test('browsers of other origins may read every answer, refusals and their headers too', async (t) => {
  const { ask, usw1 } = await setStage(t)
  await usw1.refuse()
  const origin = { origin: 'https://a.example' }
  const refusals: [Promise<Response>, number][] = [
    [ask('/v1/sandboxes', { key: null, headers: origin }), 401],
    [ask(RUN, post({}, { ...origin, 'x-region': 'mars' })), 400],
    [ask(`/v1/sandboxes/${aSandboxIn('usw1')}`, { headers: origin }), 503],
    [ask('/nowhere', { headers: origin }), 404],
  ]
  for (const [asked, status] of refusals) {
    const answer = await asked
    assert.equal(answer.status, status)
    assert.equal(answer.headers.get('access-control-allow-origin'), '*')
    assert.equal(answer.headers.get('access-control-expose-headers'), '*')
    assert.equal(answer.headers.get('access-control-allow-credentials'), null)
    assert.match(answer.headers.get('x-request-id') ?? '', /^req_[0-9a-f]{32}$/)
  }
})

test('a preflight is answered for every method and path, needs no key, and asks no region', async (t) => {
  const { ask, usw1, eu1 } = await setStage(t)
  for (const path of [RUN, `/v1/sandboxes/${aSandboxIn('eu1')}/files`, '/r/eu/v1/sandboxes', '/nowhere']) {
    const answer = await ask(path, {
      method: 'OPTIONS',
      key: null,
      headers: {
        origin: 'https://a.example',
        'access-control-request-headers': 'authorization, x-region, idempotency-key',
      },
    })
    assert.equal(answer.status, 204, path)
    assert.equal(answer.headers.get('access-control-allow-headers'), 'authorization, x-region, idempotency-key')
    for (const method of ['PUT', 'PATCH', 'DELETE'])
      assert.match(answer.headers.get('access-control-allow-methods') ?? '', new RegExp(method))
  }
  assert.equal(usw1.received.length + eu1.received.length, 0)
})

test('the head of a refusal has its status and no body', async (t) => {
  const { ask } = await setStage(t)
  for (const [path, status] of [
    ['/v1/sandboxes/sbx_x', 404],
    ['/nowhere', 404],
  ] as const) {
    const answer = await ask(path, { method: 'HEAD' })
    assert.deepEqual([answer.status, await answer.text()], [status, ''])
  }
})

test('a mistyped key costs no look-up, and one in the URL is refused whatever it stands for', async (t) => {
  const { ask, apiKey, usw1, eu1 } = await setStage(t)
  const mistyped = apiKey.slice(0, -1) + (apiKey.endsWith('0') ? '1' : '0')
  assert.equal((await errorOf(await ask('/v1/sandboxes', { key: mistyped }))).code, 'invalid_token')
  for (const search of [`?x=${mistyped}`, `?${apiKey}`, `?a=%61tl_test_${apiKey.slice(9)}`])
    assert.equal((await errorOf(await ask(`/v1/sandboxes${search}`))).code, 'missing_token', search)
  assert.deepEqual([usw1.keyQuestions(), eu1.keyQuestions()], [0, 0])
})

test('no key gets into the log of the edge, wherever in a request it stood', async (t) => {
  const program = `
    const { startLocalEdge } = await import(${JSON.stringify(LOCAL_EDGE)})
    const edge = await startLocalEdge(${JSON.stringify({ host: '127.0.0.1', port: 0, secrets: SECRETS })})
    console.log(String(edge.url))`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['pipe', 'pipe', 'pipe'] })
  t.after(() => child.kill('SIGKILL'))
  let log = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (log += chunk.toString()))
  const [url] = await once(createInterface(child.stdout), 'line')
  const key = freshKey()
  // Without a registry every request is a failure of ours, which is what is logged.
  const answers = [
    await fetch(new URL('/v1/sandboxes', url), { headers: { authorization: `Bearer ${key}` } }),
    await fetch(new URL(`/v1/sandboxes/${key}/exec`, url), { headers: { authorization: `Bearer ${freshKey()}` } }),
    await fetch(new URL(`/v1/sandboxes?key=${key}`, url), { headers: { authorization: `Bearer ${key}` } }),
  ]
  assert.deepEqual(
    answers.map(({ status }) => status),
    [503, 503, 401],
  )
  for (const end = Date.now() + 90_000; (log.match(/configuration_unavailable/g) ?? []).length < 2; )
    await new Promise((resolve) => setTimeout(resolve, Date.now() < end ? 50 : assert.fail(log)))
  assert.ok(!log.includes(key.slice(9)), log)
})
