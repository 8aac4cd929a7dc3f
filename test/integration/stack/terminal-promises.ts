/** Terminals as people use them: xterm.js on a WebSocket through the edge on workerd, and a real shell in a real machine behind it. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { TERMINAL_CLOSE } from '../../../shared/terminal-frames.ts'
import { type Api, apiAt, record } from '../../harness/api.ts'
import { type LocalStack, waitFor } from '../../harness/local-stack.ts'
import { connectTerminal, type Place, type TerminalClient } from '../../harness/terminal-client.ts'

const RECOVERY_MS = 60_000

type Begun = { sandbox: string; session: string; ws_url: string }

export function terminalPromises(stackOf: () => LocalStack): void {
  const edge: Api = (path, call) => apiAt(stackOf().dev().edge, stackOf().dev().api_key)(path, call)
  const keyed = (): Record<string, string> => ({ authorization: `Bearer ${stackOf().dev().api_key}` })
  async function begin(body: object = {}, settings: object = {}): Promise<Begun> {
    const sandbox = record(await edge('/v1/sandboxes', { body: settings, headers: { 'x-region': 'eu1' } })).id
    const answer = await edge(`/v1/sandboxes/${sandbox}/terminal`, { body })
    assert.equal(answer.status, 201, JSON.stringify(answer.body))
    const { session_id: session, ws_url } = answer.body.data as { session_id: string; ws_url: string }
    return { sandbox, session, ws_url }
  }
  const addressAt = (base: string, { sandbox, session }: Begun, cursor = 0): string =>
    `${base.replace('http', 'ws')}/v1/sandboxes/${sandbox}/terminal/${session}/ws?cursor=${cursor}`
  async function connect(t: TestContext, address: string, place?: Place): Promise<TerminalClient> {
    const client = await connectTerminal(address, place)
    t.after(() => client.socket.terminate())
    return client
  }
  const comeBack = (t: TestContext, begun: Begun, cursor = 0): Promise<TerminalClient> =>
    connect(t, addressAt(stackOf().dev().edge, begun, cursor), { headers: keyed() })

  let first: Begun
  test('a person types, resizes, fills the screen and reads umlauts, by the address alone', async (t) => {
    first = await begin({ cols: 100, rows: 30, env: { GREETING: 'hällo' } })
    assert.ok(first.ws_url.startsWith(stackOf().dev().edge.replace('http', 'ws')), first.ws_url)
    const client = await connect(t, first.ws_url)
    await client.sees('$')
    assert.deepEqual(client.size(), { cols: 100, rows: 30 })
    client.type('stty size; tty; pwd; id -un; echo $TERM $GREETING\r')
    for (const line of ['30 100', '/dev/pts/', '/workspace', 'sandbox', 'xterm-256color hällo']) await client.sees(line)
    client.resize(132, 43)
    client.type('stty size\r')
    await client.sees('43 132')

    client.type('seq 1 500 > lines; less lines\r')
    await client.sees('lines')
    await waitFor('the other screen', 60_000, () => client.screen() === 'alternate')
    client.type('G')
    await client.sees('\n500\n')
    client.type('q')
    await waitFor('the first screen', 60_000, () => client.screen() === 'normal')

    for (const byte of Buffer.from('echo "<€漢🙂>"\r')) client.send(Uint8Array.of(byte))
    await client.sees('\n<€漢🙂>')
    // Who says it is who runs in the foreground by then.
    client.type('sh -c \'echo rea""dy; exec sleep 1000\'\r')
    await client.sees('\nready')
    client.send(Uint8Array.of(3))
    client.type('echo code-$?\r')
    await client.sees('\ncode-130')
  })

  test('another viewer, at the region itself, sees the same, and is told of the size that the first one says', async (t) => {
    const [one, other] = [
      await comeBack(t, first),
      await connect(t, addressAt(stackOf().dev().regions.eu1 ?? '', first), { headers: keyed() }),
    ]
    for (const viewer of [one, other]) await viewer.sees('<€漢🙂>')
    one.type('echo from-$((40+2))\r')
    for (const viewer of [one, other]) await viewer.sees('from-42')
    one.resize(90, 20)
    await waitFor('the size', 60_000, () => other.size().cols === 90 && other.size().rows === 20)
    other.type('echo and-$((40+3))\r')
    await one.sees('and-43')
  })

  test('a terminal goes on through a pause, a daemon that is killed and a lost connection, and ends with its shell', async (t) => {
    let client = await comeBack(t, first)
    client.type('echo pid=$$; (sleep 2; echo mean""while) &\r')
    await client.sees('pid=')
    const [, pid = ''] = /pid=(\d+)\n/.exec(client.text()) ?? []
    const left = client.cursor()
    client.socket.terminate()
    client = await comeBack(t, first, left)
    await client.sees('meanwhile')
    assert.ok(!client.text().includes(`pid=${pid}\n`), 'what was seen is not shown again')

    await edge(`/v1/sandboxes/${first.sandbox}/pause`, { method: 'POST' })
    assert.equal(await client.closed, TERMINAL_CLOSE.paused)
    client = await comeBack(t, first, client.cursor())
    client.type('echo again=$$\r')
    await client.sees(`again=${pid}`)

    const daemon = stackOf().dev().pids['eu1.hostd']
    assert.ok(daemon)
    process.kill(daemon, 'SIGKILL')
    assert.equal(await client.closed, TERMINAL_CLOSE.restart)
    const cursor = client.cursor()
    await waitFor('the terminal to be back', RECOVERY_MS, async () => {
      const back = await comeBack(t, first, cursor).catch(() => null)
      client = back ?? client
      return back !== null
    })
    client.type('echo still=$$\r')
    await client.sees(`still=${pid}`)
    client.type('exit 7\r')
    assert.equal(await client.closed, TERMINAL_CLOSE.over)
    assert.equal(client.exitCode(), 7)
  })

  // Somebody thinks for a while, and somebody has gone home: only the second one's machine may be put aside.
  test('typing keeps an idle sandbox awake, and looking at its terminal does not', async (t) => {
    const idle = await begin({}, { idle_timeout_sec: 4 })
    const client = await connect(t, idle.ws_url)
    for (let typed = 0; typed < 12; typed += 1) {
      client.type('#')
      await sleep(500)
    }
    assert.equal(record(await edge(`/v1/sandboxes/${idle.sandbox}`)).state, 'running')
    assert.equal(await client.closed, TERMINAL_CLOSE.paused)
    assert.equal(record(await edge(`/v1/sandboxes/${idle.sandbox}`)).state, 'paused')
  })
}
