/** What people who run a region rely on, held against a controller that is a process of its own: its log, and its end. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { LIMITS } from '../../../shared/limits.ts'
import { type ControllerChild, startControllerChild } from './support/controller-child.ts'
import { embedded, type TestServer } from './support/databases.ts'
import { at, INTERNAL, startRegion, type TestRegion, textAt, until } from './support/region.ts'

type Line = Record<string, string | number | boolean | undefined>

describe('a controller that is a process', { timeout: 600_000 }, () => {
  let server: TestServer | undefined
  /** Another controller of the same region, in this process. */
  let region: TestRegion
  let child: ControllerChild
  let databaseUrl = ''

  const startChild = (): Promise<ControllerChild> =>
    startControllerChild({
      DATABASE_URL: databaseUrl,
      ATOLL_INTERNAL_TOKEN: INTERNAL,
      ATOLL_HOSTS: region.hosts.map(({ name, socketPath }) => `${name}=unix:${socketPath}`).join(','),
    })
  before(async () => {
    server = await embedded.open()
    databaseUrl = await server.createDatabase()
    region = await startRegion(databaseUrl)
    child = await startChild()
  })
  after(async () => {
    await child?.kill()
    await region?.close()
    await server?.remove()
  })

  const ask = (url: string, path: string, init: RequestInit & { body?: string } = {}): Promise<Response> =>
    fetch(url + path, { ...init, headers: { authorization: `Bearer ${region.key}`, ...init.headers } })
  const linesOf = (from: ControllerChild): Line[] => from.lines.map((line) => JSON.parse(line) as Line)
  const requests = (): Line[] => linesOf(child).filter(({ event }) => event === 'request')

  describe('logs', () => {
    // Logs are read by many and kept for long.
    test('one line for each request, and never a secret, a command, an environment, a query or a body', async () => {
      const planted = (what: string): string => `planted-${what}-${randomUUID()}`
      const [env, command, stdin, metadata, query, path, idem, wrong, name] = [
        ...['env', 'command', 'stdin', 'metadata', 'query', 'path', 'idem', 'wrong', 'name'],
      ].map(planted) as [string, string, string, string, string, string, string, string, string]
      const post = (route: string, body: string, headers: Record<string, string> = {}) =>
        ask(child.url, route, { method: 'POST', body, headers })
      const ids = {
        made: await post('/v1/sandboxes', JSON.stringify({ env: { A: env }, metadata: { m: metadata }, name }), {
          'idempotency-key': idem,
        }),
        ran: await post('/v1/sandboxes/run', JSON.stringify({ command: `echo ${command}`, stdin, env: { A: env } })),
        refused: await post('/v1/sandboxes', JSON.stringify({ timeout_sec: wrong })),
        broken: await post('/v1/sandboxes', `{"${wrong}`),
        unknown: await ask(child.url, `/v1/sandboxes/${path}?ticket=${query}`),
        nowhere: await ask(child.url, `/${path}?token=${query}`),
        foreign: await fetch(`${child.url}/v1/sandboxes`, { headers: { authorization: `Bearer atl_live_${wrong}` } }),
      }
      const statuses = Object.values(ids).map(({ status }) => status)
      assert.deepEqual(statuses, [201, 201, 422, 400, 404, 404, 401])
      const named = Object.values(ids).map((answer) => answer.headers.get('x-request-id'))
      await until('all lines', () => named.every((id) => requests().some(({ request }) => request === id)))
      const mine = named.map((id) => requests().filter(({ request }) => request === id))
      assert.deepEqual(
        mine.map(({ length }) => length),
        statuses.map(() => 1),
      )
      assert.deepEqual(
        mine.map(([line]) => line?.status),
        statuses,
      )
      assert.deepEqual(
        mine.map(([line]) => line?.level),
        ['info', 'info', 'warn', 'warn', 'warn', 'warn', 'warn'],
      )
      assert.deepEqual([mine[4]?.[0]?.route, mine[5]?.[0]?.route], ['/v1/sandboxes/:id', 'none'])
      const text = child.lines.join('\n')
      for (const secret of [env, command, stdin, metadata, query, path, idem, wrong, name, region.key, INTERNAL])
        assert.ok(!text.includes(secret), `The log has ${secret.slice(0, 20)}`)
    })

    test('a line says who, what, where, how long and in whose trace', async () => {
      const trace = randomUUID().replaceAll('-', '')
      const answer = await ask(child.url, '/v1/sandboxes?limit=1', {
        headers: { traceparent: `00-${trace}-00f067aa0ba902b7-01` },
      })
      const id = answer.headers.get('x-request-id')
      await until('its line', () => requests().some(({ request }) => request === id))
      const line = requests().find(({ request }) => request === id)
      assert.partialDeepStrictEqual(line, { method: 'GET', route: '/v1/sandboxes', region: 'usw1', status: 200, trace })
      for (const field of ['tenant', 'key', 'ms', 'bytes_in', 'bytes_out'])
        assert.ok(line?.[field] !== undefined, field)
      // Whatever is not a trace context is a caller's own words.
      const forged = await ask(child.url, '/v1/sandboxes?limit=1', { headers: { traceparent: 'my secret' } })
      const other = forged.headers.get('x-request-id')
      await until('its line', () => requests().some(({ request }) => request === other))
      assert.equal(requests().find(({ request }) => request === other)?.trace, undefined)
    })

    test('a statement that fails is logged without its parameters', async () => {
      const id = textAt(
        await (await ask(child.url, '/v1/sandboxes', { method: 'POST', body: '{}' })).json(),
        'data',
        'id',
      )
      const secret = `planted-${randomUUID()}`
      await region.sql('alter table sandbox rename to hidden')
      const failed = await ask(child.url, `/v1/sandboxes/by-name/${secret}`)
      await region.sql('alter table hidden rename to sandbox')
      assert.equal(failed.status, 500, id)
      const request = failed.headers.get('x-request-id')
      await until('its line', () => requests().some((line) => line.request === request))
      const line = requests().find((one) => one.request === request)
      assert.equal(line?.level, 'error')
      assert.match(String(line?.cause), /relation "sandbox" does not exist/)
      assert.ok(!child.lines.join('\n').includes(secret))
    })

    test('a caller who hangs up during a command is no error of ours, and has one line', async () => {
      const made = await ask(child.url, '/v1/sandboxes', { method: 'POST', body: '{}' })
      const id = textAt(await made.json(), 'data', 'id')
      const before = linesOf(child).filter(({ level }) => level === 'error').length
      const leaving = new AbortController()
      const body = JSON.stringify({ command: 'sleep 30' })
      const running = ask(child.url, `/v1/sandboxes/${id}/exec`, { method: 'POST', body, signal: leaving.signal })
      await until('the command', () => region.host.commands.some((line) => line.startsWith(id)))
      leaving.abort()
      await running.catch(() => 'left')
      const isIts = ({ route, hung_up }: Line): boolean => route === '/v1/sandboxes/:id/exec' && hung_up === true
      await until('its line', () => requests().some(isIts))
      assert.equal(requests().filter(isIts).length, 1)
      assert.equal(linesOf(child).filter(({ level }) => level === 'error').length, before)
    })
  })

  describe('the end of one', () => {
    test('under load loses no request without an answer, and the other one takes over at once', async (t) => {
      const leads = async (url: string): Promise<boolean> => {
        const metrics = await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${INTERNAL}` } })
        return /last_success_timestamp_seconds\{reconciler="machines"\} \d/.test(await metrics.text())
      }
      // The one that is to end leads: only then is its end a change.
      await region.running.controller.instance.resign()
      await until('it to lead', () => leads(child.url))
      const other = await startChild()
      t.after(() => other.kill())

      const seen = { answers: 0, moved: 0, lost: [] as string[] }
      let isOver = false
      const live = async (): Promise<void> => {
        let url = child.url
        const call = async (path: string, method: string, body?: string): Promise<Response | undefined> => {
          try {
            const answer = await ask(url, path, { method, ...(body === undefined ? {} : { body }) })
            await answer.arrayBuffer()
            seen.answers += 1
            return answer
          } catch (err) {
            const code = at(err, 'cause', 'code')
            // A server that does not listen any more has done nothing.
            if (code !== 'ECONNREFUSED') seen.lost.push(`${method} ${path}: ${code ?? err}`)
            url = other.url
            return undefined
          }
        }
        while (!isOver) {
          const made = await call('/v1/sandboxes', 'POST', '{}')
          if (made?.status === 503 && made.headers.get('x-not-executed') === '1') {
            seen.moved += 1
            url = other.url
          } else if (made !== undefined && made.status !== 201) seen.lost.push(`create: ${made.status}`)
          await call('/v1/sandboxes?limit=5', 'GET')
        }
      }
      const living = Array.from({ length: 6 }, live)
      await until('many answers', () => seen.answers > 50)
      const slow = ask(child.url, '/v1/sandboxes/run', {
        method: 'POST',
        body: JSON.stringify({ command: 'sleep 1.5' }),
      })
      await until('the slow command', () => region.host.commands.some((line) => line.endsWith('sleep 1.5')))
      const stream = await ask(child.url, '/v1/events/stream')
      const told = stream.text()
      const toldAt = Date.now()
      const ended = child.stop().then((code) => ({ code, ms: Date.now() - toldAt }))
      await until('it to say that it is not ready', async () => (await fetch(`${child.url}/readyz`)).status === 503)
      await until('the other one to lead', () => leads(other.url))
      assert.equal((await slow).status, 201, 'what was under way was answered')
      assert.match(await told, /event: error\ndata: [^\n]*"code":"draining"/, 'a stream is told to go on elsewhere')
      const { code, ms } = await ended
      assert.equal(code, 0)
      assert.ok(ms < LIMITS.drainMs, `${ms} ms`)
      await until('all to have moved', () => seen.moved >= 6)
      isOver = true
      await Promise.all(living)
      assert.deepEqual(seen.lost, [])
      const unfinished = await region.sql(`select from sandbox where state in ('creating', 'provisioning')`)
      assert.equal(unfinished.length, 0)
    })
  })
})
