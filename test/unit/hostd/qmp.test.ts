import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import { Qmp } from '../../../origin/hostd/qemu/qmp.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { until } from '../../harness/until.ts'

/** A control channel whose other end answers the greeting properly and then whatever `say` says to each command. */
async function withPeer(say: (socket: Socket, id: number) => void, use: (qmp: Qmp) => Promise<void>): Promise<void> {
  const directory = await mkdtemp('/tmp/atoll-qmp-')
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('data', (data) => {
      const { execute, id } = JSON.parse(data.toString())
      if (execute === 'qmp_capabilities') socket.write(`{"QMP": {}}\n{"return": {}, "id": ${id}}\n`)
      else say(socket, id)
    })
  })
  await new Promise<void>((resolve) => server.listen(`${directory}/qmp.sock`, resolve))
  try {
    const qmp = await Qmp.connect(`${directory}/qmp.sock`)
    await use(qmp)
    qmp.close()
  } finally {
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
    await rm(directory, { recursive: true, force: true })
  }
}

test('answers find their commands in any order and however they are cut, and events are heard in between', async () => {
  const ids: number[] = []
  const answerBoth = (socket: Socket, id: number): void => {
    ids.push(id)
    const [first, second] = ids
    if (second === undefined) return
    socket.write(`{"return": "b", "id": ${second}}\n{"event": "STOP"}\n{"return": "a", `)
    setTimeout(() => socket.write(`"id": ${first}}\n`), 5)
  }
  await withPeer(answerBoth, async (qmp) => {
    const heard: string[] = []
    qmp.onEvent((event) => heard.push(event))
    const first = qmp.command('first')
    // Each is a packet of its own, as this peer reads them.
    await until('the first to be heard', () => ids.length === 1)
    assert.deepEqual(await Promise.all([first, qmp.command('second')]), ['a', 'b'])
    assert.deepEqual(heard, ['STOP'])
  })
})

test('a refusal fails its own command only', async () => {
  const refuse = (socket: Socket, id: number): void => {
    socket.write(`{"error": {"class": "GenericError", "desc": "no"}, "id": ${id}}\n`)
  }
  await withPeer(refuse, async (qmp) => {
    await assert.rejects(qmp.command('anything'), { code: 'internal', detail: 'QMP: no' })
    await assert.rejects(qmp.command('again'), { detail: 'QMP: no' })
  })
})

// Whoever broke out of a guest writes here; the daemon must lose that machine and nothing else.
test('nonsense, endless lines and a hang-up end the connection and everything that waits on it', async () => {
  const endings: ((socket: Socket) => void)[] = [
    (socket) => socket.write('nonsense\n'),
    (socket) => socket.write('{"id": "one"}\n'),
    (socket) => socket.write('x'.repeat(LIMITS.qmpLineBytesMax + 1)),
    (socket) => socket.destroy(),
  ]
  for (const end of endings)
    await withPeer(end, async (qmp) => {
      await assert.rejects(qmp.command('anything'), { detail: 'QMP: The machine has ended.' })
      await qmp.closed
      await assert.rejects(qmp.command('later'), { detail: 'QMP: The machine has ended.' })
    })
})
