/** Processes, streamed commands and the environment of a real machine, from a controller's routes to the agent and back. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { createSmall, type RealRegion, startRealRegion } from '../../harness/real-region.ts'
import { type Answer, type Ask, at, textAt, until } from '../controller/support/region.ts'
import { readSse, type SseReader } from '../controller/support/sse.ts'

/** Wants more memory than its own group may have from now on: to fill a whole machine would take an emulated one too long. */
const GREEDY = `cd /sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup) && echo 24M > memory.max; head -c 48M /dev/zero | tail > /dev/null`
const UNDO_GREEDY = 'for limit in /sys/fs/cgroup/sandbox/*/memory.max; do echo max > $limit; done'

let real: RealRegion
let sandbox: string
before(async () => {
  real = await startRealRegion()
  sandbox = await createSmall(real.region, { env: { GREETING: 'from the start' } })
})
after(() => real?.stop())

const ask = (path: string, options: Ask = {}): Promise<Answer> =>
  real.region.ask(`/v1/sandboxes/${sandbox}${path}`, options)
const post = (path: string, body: object): Promise<Answer> => ask(path, { method: 'POST', body })
const start = async (command: string, more: object = {}): Promise<string> => {
  const made = await post('/processes', { command, ...more })
  assert.equal(made.status, 201, made.text)
  return textAt(made.json, 'data', 'pid')
}
const processOf = async (pid: string) => (await ask(`/processes/${pid}`)).json.data as Record<string, unknown>
const ended = async (pid: string): Promise<Record<string, unknown>> => {
  await until('the process to end', async () => (await processOf(pid)).status === 'exited')
  return processOf(pid)
}
const follow = (pid: string, headers: Record<string, string> = {}): Promise<SseReader> =>
  readSse(`${real.region.url}/v1/sandboxes/${sandbox}/processes/${pid}/stream`, {
    authorization: `Bearer ${real.region.key}`,
    ...headers,
  })
const exec = (path: string, body: object, accept: string): Promise<Response> =>
  fetch(`${real.region.url}/v1/sandboxes/${sandbox}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${real.region.key}`, accept },
    body: JSON.stringify(body),
  })
const linesOf = (frames: SseReader['frames'], type = 'stdout'): unknown[] =>
  frames.filter(({ event }) => event === type).map(({ data }) => data.line)

test('a streamed command is told line by line, as server-sent events and as NDJSON, and its bytes are UTF-8 again', async () => {
  const command = `printf 'a\\nb'; sleep 0.1; printf 'c \\xc3'; sleep 0.1; printf '\\xa9 \\xff\\n'; echo oops >&2; printf rest; exit 3`
  const sse = await (await exec('/exec/stream', { command }, 'text/event-stream')).text()
  const said = [...sse.matchAll(/^data: (.*)$/gm)].map(([, json]) => JSON.parse(json ?? ''))
  assert.deepEqual(
    said.map(({ type, line }) => [type, line]).toSorted(([one], [other]) => one.localeCompare(other)),
    [
      ['exit', undefined],
      ['stderr', 'oops'],
      ['stdout', 'a'],
      ['stdout', 'bc é \ufffd'],
      ['stdout', 'rest'],
    ],
  )
  assert.equal(said.at(-1).exit_code, 3)
  for (const path of ['/exec', '/exec/stream']) {
    const answer = await exec(path, { command: 'echo one; echo two' }, 'application/x-ndjson')
    assert.equal(answer.headers.get('content-type'), 'application/x-ndjson')
    const events = (await answer.text())
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    assert.deepEqual(
      events.map(({ seq, type, line }) => [seq, type, line]),
      [
        [1, 'stdout', 'one'],
        [2, 'stdout', 'two'],
        [3, 'exit', undefined],
      ],
    )
    assert.ok(events.every(({ ts }) => Math.abs(Date.parse(ts) - Date.now()) < 60_000))
  }
})

test('what cannot be started is told as a shell tells it, also in a stream', async () => {
  const answer = await exec('/exec', { cmd: 'no-such-program' }, 'text/event-stream')
  assert.match(await answer.text(), /"type":"stderr","line":"no-such-program.*"exit_code":127/s)
  const refused = await post('/processes', { command: 'true', cwd: '/nowhere' })
  assert.deepEqual([refused.status, textAt(refused.json, 'error', 'code')], [422, 'process_not_started'])
})

test('a stream that is slower than its command loses nothing', async () => {
  const answer = await exec('/exec/stream', { command: 'seq 1 200000' }, 'application/x-ndjson')
  let next = 1
  let rest = ''
  const decoder = new TextDecoder()
  let chunks = 0
  for await (const chunk of answer.body ?? []) {
    if (chunks++ < 5) await new Promise((resolve) => setTimeout(resolve, 50))
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      const { type, line: said } = JSON.parse(line)
      if (type === 'stdout') assert.equal(said, String(next++))
    }
  }
  assert.equal(next, 200_001)
})

test('a process goes on without a connection, through a pause, and is heard again from where its reader was', async () => {
  const pid = await start('for i in $(seq 1 20); do echo tick $i; echo tock $i >&2; sleep 0.1; done', {
    name: 'clock',
  })
  const first = await follow(pid)
  await first.take(5)
  first.close()
  const seen = first.frames.slice(0, 5)
  assert.equal((await ask('/pause', { method: 'POST' })).status, 200)
  const again = await follow(pid, { 'last-event-id': seen.at(-1)?.id ?? '' })
  await again.ended()
  const all = [...seen, ...again.frames]
  const want = Array.from({ length: 20 }, (_, index) => index + 1)
  assert.deepEqual(
    linesOf(all),
    want.map((n) => `tick ${n}`),
  )
  assert.deepEqual(
    linesOf(all, 'stderr'),
    want.map((n) => `tock ${n}`),
  )
  assert.deepEqual([all.at(-1)?.event, all.at(-1)?.data.exit_code], ['exit', 0])
  const listed = (await ask('/processes')).json.data as Record<string, unknown>[]
  assert.equal(listed.find((one) => one.pid === pid)?.name, 'clock')
  assert.equal((await ask(`/processes/${pid}/logs?tail=2`)).json.data, 'tick 20\ntock 20\n')
})

test('a process hears what is written to it and the signals that are sent, until it has ended', async () => {
  const pid = await start('cat')
  assert.equal((await post(`/processes/${pid}/stdin`, { data: 'één\n' })).status, 200)
  assert.equal(
    (await post(`/processes/${pid}/stdin`, { data_base64: Buffer.from('two').toString('base64'), eof: true })).status,
    200,
  )
  assert.deepEqual([(await ended(pid)).reason, (await ask(`/processes/${pid}/logs`)).json.data], ['exit', 'één\ntwo'])
  const late = await post(`/processes/${pid}/stdin`, { data: 'more' })
  assert.deepEqual([late.status, textAt(late.json, 'error', 'code')], [409, 'process_ended'])
  const sleeper = await start('sleep 600')
  assert.equal((await post(`/processes/${sleeper}/signal`, { signal: 'SIGINT' })).status, 200)
  const { exit_code, reason } = await ended(sleeper)
  assert.deepEqual([exit_code, reason], [130, 'signal'])
  const unknown = await post(`/processes/${await start('sleep 600')}/signal`, { signal: 'SIGNOTHING' })
  assert.equal(textAt(unknown.json, 'error', 'code'), 'invalid_request')
  assert.match(textAt(unknown.json, 'error', 'details', 'signal', '0'), /no signal SIGNOTHING/)
})

test('a process that takes all memory is said to have done so, and others go on', async () => {
  const other = await start('sleep 600')
  const pid = await start(GREEDY, { user: 'root' })
  const { exit_code, reason } = await ended(pid)
  assert.deepEqual([exit_code, reason], [137, 'out_of_memory'])
  const blocking = await post('/exec', { command: GREEDY, user: 'root' })
  assert.deepEqual(
    [at(blocking.json, 'data', 'exit_code'), at(blocking.json, 'data', 'reason')],
    [137, 'out_of_memory'],
  )
  await post('/exec', { command: UNDO_GREEDY, user: 'root' })
  const killed = await post('/exec', { command: 'kill -9 $$' })
  assert.deepEqual([at(killed.json, 'data', 'exit_code'), at(killed.json, 'data', 'reason')], [137, 'signal'])
  assert.equal((await processOf(other)).status, 'running')
})

test('a fork bomb meets a limit, and is gone with everything it started when it is deleted', async () => {
  const pid = await start(`bomb() { bomb | bomb & }; bomb; sleep 600`)
  await new Promise((resolve) => setTimeout(resolve, 1_000))
  assert.equal((await ask(`/processes/${pid}`, { method: 'DELETE' })).status, 204)
  assert.equal((await ask(`/processes/${pid}`)).status, 404)
  // All were killed at once, and the agent buries them one by one; had one lived, they would be many again at every look.
  const left = async (): Promise<number> =>
    Number(textAt((await post('/exec', { command: 'ps -e | wc -l' })).json, 'data', 'stdout'))
  await until('what it had started to be gone', async () => (await left()) < 100)
})

test('a command whose caller has gone is ended soon, and one that is detached is not', async () => {
  const leaving = new AbortController()
  const begun = await fetch(`${real.region.url}/v1/sandboxes/${sandbox}/exec/stream`, {
    method: 'POST',
    headers: { authorization: `Bearer ${real.region.key}` },
    body: JSON.stringify({ command: 'echo here; exec sleep 600' }),
    signal: leaving.signal,
  })
  const left = begun.headers.get('x-process-id') ?? ''
  await begun.body?.getReader().read()
  const detached = await post('/exec', { command: 'exec sleep 600', detached: true })
  leaving.abort()
  assert.equal((await ended(left)).reason, 'signal')
  assert.equal((await processOf(textAt(detached.json, 'data', 'job_id'))).status, 'running')
})

test('the environment is listed and changed for what is started afterwards, without telling what is encrypted', async () => {
  const seen = async (): Promise<string> =>
    textAt((await post('/exec', { command: 'echo "$GREETING/$SECRET"' })).json, 'data', 'stdout')
  assert.deepEqual((await ask('/env')).json.data, [{ key: 'GREETING', value: 'from the start', encrypted: false }])
  assert.equal(await seen(), 'from the start/\n')
  const vars = [{ key: 'SECRET', value: 's3cret', encrypted: true }]
  assert.deepEqual((await ask('/env', { method: 'PUT', body: { vars } })).json.data, [
    { key: 'SECRET', encrypted: true },
  ])
  assert.equal(await seen(), '/s3cret\n')
  assert.equal((await ask('/pause', { method: 'POST' })).status, 200)
  assert.equal(await seen(), '/s3cret\n')
  assert.equal((await ask('/env/SECRET', { method: 'DELETE' })).status, 204)
  assert.equal(await seen(), '/\n')
  assert.ok(!JSON.stringify(real.region.logs).includes('s3cret'))
})

test('a fork has its parent’s processes and environment, and each ends by itself', async () => {
  const pid = await start('sleep 600')
  await ask('/env', { method: 'PUT', body: { vars: [{ key: 'WHO', value: 'both' }] } })
  const forked = await post('/fork', {})
  assert.equal(forked.status, 201, forked.text)
  const child = textAt(forked.json, 'data', 'id')
  const { region } = real
  assert.equal((await ask(`/processes/${pid}`, { method: 'DELETE' })).status, 204)
  const copy = await region.ask(`/v1/sandboxes/${child}/processes/${pid}`)
  assert.equal(textAt(copy.json, 'data', 'status'), 'running')
  const env = await region.ask(`/v1/sandboxes/${child}/env`)
  assert.deepEqual(env.json.data, [{ key: 'WHO', value: 'both', encrypted: false }])
  assert.equal((await region.ask(`/v1/sandboxes/${child}`, { method: 'DELETE' })).status, 204)
})

test('a daemon that starts anew finds every process where it was', async () => {
  const pid = await start('for i in $(seq 1 1000); do echo $i; sleep 0.05; done')
  const before = await follow(pid)
  await before.take(3)
  await real.daemon.signal('SIGKILL')
  await before.ended()
  await real.daemon.launch()
  await until('the host to be heard of', async () => (await ask(`/processes/${pid}`)).status === 200)
  const lastId = before.frames.findLast(({ event }) => event === 'stdout')?.id ?? ''
  const again = await follow(pid, { 'last-event-id': lastId })
  await again.take(3)
  again.close()
  const heard = [...before.frames, ...again.frames].filter(({ event }) => event === 'stdout')
  assert.deepEqual(
    heard.map(({ data }) => data.line),
    heard.map((_, index) => String(index + 1)),
  )
  assert.equal((await ask(`/processes/${pid}`, { method: 'DELETE' })).status, 204)
})
