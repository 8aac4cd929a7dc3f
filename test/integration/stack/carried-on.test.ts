/** A region and a real machine: terminals and processes go on in every child of a fork, each for itself, and through a stay on disk. */
import assert from 'node:assert/strict'
import { after, before, describe, type TestContext, test } from 'node:test'
import { TERMINAL_CLOSE } from '../../../shared/terminal-frames.ts'
import { createSmall, type RealRegion, startRealRegion } from '../../harness/real-region.ts'
import { connectTerminal, type TerminalClient } from '../../harness/terminal-client.ts'
import { type Answer, at, textAt, until } from '../controller/support/region.ts'
import { readSse } from '../controller/support/sse.ts'
import { untilOnDisk } from '../hostd/standby/calls.ts'

/** Counts by itself, and says what it is told. */
const PROCESS =
  '(n=0; while :; do n=$((n+1)); echo $n > /dev/shm/count; sleep 0.2; done) & while read -r line; do echo "heard $line"; done'

describe('what runs in a sandbox', { timeout: 600_000 }, () => {
  let real: RealRegion
  let parent: string
  let child: string
  let session: string
  let pid: string
  before(async () => {
    real = await startRealRegion({ ATOLL_STANDBY_AFTER_SEC: '0' })
    parent = await createSmall(real.region)
  })
  after(() => real?.stop())

  const ask = async (id: string, rest: string, method: string = 'GET', body?: object): Promise<Answer> => {
    const answer = await real.region.ask(`/v1/sandboxes/${id}${rest}`, { method, body })
    assert.ok(answer.status < 300, answer.text)
    return answer
  }
  const count = async (id: string): Promise<number> =>
    Number(textAt((await ask(id, '/exec', 'POST', { command: 'cat /dev/shm/count' })).json, 'data', 'stdout'))
  const logs = async (id: string): Promise<string> =>
    textAt((await ask(id, `/processes/${pid}/logs?tail=100`)).json, 'data')
  async function connect(t: TestContext, id: string, cursor: number = 0): Promise<TerminalClient> {
    const address = `${real.region.url.replace('http', 'ws')}/v1/sandboxes/${id}/terminal/${session}/ws?cursor=${cursor}`
    const client = await connectTerminal(address, { headers: { authorization: `Bearer ${real.region.key}` } })
    t.after(() => client.socket.terminate())
    return client
  }
  const goesOn = async (id: string): Promise<void> => {
    const before = await count(id)
    await until('the process to go on', async () => (await count(id)) > before)
  }

  test('a child of a fork has the terminals and processes of its parent, by their ids, and each goes on for itself', async (t) => {
    session = textAt((await ask(parent, '/terminal', 'POST', { cols: 90, rows: 20 })).json, 'data', 'session_id')
    pid = textAt((await ask(parent, '/processes', 'POST', { command: PROCESS })).json, 'data', 'pid')
    const ours = await connect(t, parent)
    ours.type('word=both; echo shell-$$-$word\r')
    await ours.sees('-both\n')
    const [, shell = ''] = /shell-(\d+)-both/.exec(ours.text()) ?? []
    await ask(parent, `/processes/${pid}/stdin`, 'POST', { data: 'before\n' })
    await until('the line', async () => (await logs(parent)).includes('heard before'))

    const forked = await ask(parent, '/fork', 'POST', { count: 1 })
    child = textAt(forked.json, 'data', '0', 'id')
    const theirs = await connect(t, child)
    await theirs.sees(`shell-${shell}-both\n`)
    assert.deepEqual(theirs.size(), { cols: 90, rows: 20 })
    theirs.type('word=child; echo $$-$word-alone\r')
    await theirs.sees(`${shell}-child-alone`)
    ours.type('echo $$-$word-here\r')
    await ours.sees(`${shell}-both-here`)
    assert.ok(!ours.text().includes('alone') && !theirs.text().includes('here'))

    await ask(child, `/processes/${pid}/stdin`, 'POST', { data: 'in the child\n' })
    await until('the line', async () => (await logs(child)).includes('heard in the child'))
    assert.equal(await logs(parent), 'heard before\n')
    assert.equal(await logs(child), 'heard before\nheard in the child\n')
    for (const id of [parent, child]) await goesOn(id)
  })

  test('the end of the one in the child is not the end of the one in its parent', async (t) => {
    const theirs = await connect(t, child)
    theirs.type('exit 5\r')
    assert.equal(await theirs.closed, TERMINAL_CLOSE.over)
    assert.equal(theirs.exitCode(), 5)
    await ask(child, `/processes/${pid}`, 'DELETE')
    await goesOn(parent)
    const ours = await connect(t, parent)
    ours.type('echo still-$word\r')
    await ours.sees('still-both')
    await ask(child, '', 'DELETE')
  })

  test('whoever follows the sandbox hears of every kind of command in it, and how each has ended', async (t) => {
    const headers = { authorization: `Bearer ${real.region.key}` }
    const url = `${real.region.url}/v1/sandboxes/${parent}`
    const events = await readSse(`${url}/events?types=sandbox.exec.*`, headers)
    t.after(() => events.close())
    // Of what ran before, some may still be told.
    await ask(parent, '/exec', 'POST', { command: 'exit 2' })
    await until('that to be over', () => events.frames.some(({ data }) => data.exit_code === 2))
    const before = events.frames.length
    await ask(parent, '/exec', 'POST', { command: 'exit 3' })
    await ask(parent, '/exec', 'POST', { language: 'bash', code: 'false' })
    const body = JSON.stringify({ command: 'exit 4' })
    await (await fetch(`${url}/exec/stream`, { method: 'POST', headers, body })).text()
    await ask(parent, '/processes', 'POST', { command: 'exit 5' })
    const told = (await events.take(before + 8))
      .slice(before)
      .map(({ event, data }) => [event.replace('sandbox.exec.', ''), data.command ?? data.exit_code])
    const wanted = [
      ['exit 3', 3],
      ['false', 1],
      ['exit 4', 4],
      ['exit 5', 5],
    ]
    assert.deepEqual(
      told,
      wanted.flatMap(([command, code]) => [
        ['started', command],
        ['completed', code],
      ]),
    )
  })

  test('both go on through a stay on disk, with the screen and the variables of the shell', async (t) => {
    const client = await connect(t, parent)
    await client.sees('still-both')
    await ask(parent, '/pause', 'POST')
    assert.equal(await client.closed, TERMINAL_CLOSE.paused)
    await untilOnDisk(real.daemon, parent)
    await until('no machine to be there', async () => (await real.daemon.machines()).length === 0)
    const back = await connect(t, parent)
    await back.sees('still-both')
    back.type('echo back-$word\r')
    await back.sees('back-both')
    const listed = (await ask(parent, '/processes')).json
    assert.ok(
      (at(listed, 'data') as unknown[]).some((one) => at(one, 'pid') === pid && at(one, 'status') === 'running'),
    )
    await ask(parent, `/processes/${pid}/stdin`, 'POST', { data: 'after\n' })
    await until('the line', async () => (await logs(parent)).includes('heard after'))
    await goesOn(parent)
  })
})
