/** One session for everybody who needs a machine's agent. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import { GuestLink } from '../../../origin/hostd/machine/guest-link.ts'
import { AppError } from '../../../shared/errors.ts'

// The first of two commands after a restart opens the session; its caller hanging up must not fail the second.
test('whoever gives up while the agent is not up yet takes nobody along who waits for it, too', async () => {
  const directory = mkdtempSync('/tmp/atoll-link-')
  const files = { data: `${directory}/data`, control: `${directory}/control` }
  const sockets: Socket[] = []
  const dataSockets: Socket[] = []
  const dataServer = createServer((socket) => {
    sockets.push(socket.on('error', () => {}))
    dataSockets.push(socket)
  }).listen(files.data)
  const controlServer = createServer((socket) => {
    sockets.push(socket.on('error', () => {}))
    socket.on('data', (line) => {
      // Deaf until its first caller has gone.
      const nonce = /hello (\w+)\n/.exec(line.toString())?.[1]
      if (dataSockets.length > 1) dataSockets.at(-1)?.write(`\nready ${nonce}\n`)
    })
  }).listen(files.control)
  try {
    await Promise.all([once(dataServer, 'listening'), once(controlServer, 'listening')])
    const link = new GuestLink(files, { noteBytes: () => {}, noteViolation: () => {} })
    const first = link.session(AbortSignal.timeout(100))
    const second = link.session(AbortSignal.timeout(60_000))
    await assert.rejects(first, { code: 'guest_unreachable' })
    const session = await second
    assert.equal(await link.session(AbortSignal.timeout(60_000)), session)
    await link.close()
    await session.closed
  } finally {
    for (const socket of sockets) socket.destroy()
    dataServer.close()
    controlServer.close()
    rmSync(directory, { recursive: true, force: true })
  }
})

// A machine that stands answers nobody. Its end would wait for whoever asked it last, and they for it.
test('a link that is closed while its agent is waited for ends the wait', async () => {
  const directory = mkdtempSync('/tmp/atoll-link-')
  const files = { data: `${directory}/data`, control: `${directory}/control` }
  const sockets: Socket[] = []
  const servers = [files.data, files.control].map((path) =>
    createServer((socket) => void sockets.push(socket.on('error', () => {}))).listen(path),
  )
  try {
    await Promise.all(servers.map((server) => once(server, 'listening')))
    const link = new GuestLink(files, { noteBytes: () => {}, noteViolation: () => {} })
    const patience = AbortSignal.timeout(20_000)
    const waiting = assert.rejects(link.session(patience), { code: 'guest_unreachable' })
    await link.close()
    await waiting
    await assert.rejects(link.session(patience), { code: 'guest_unreachable' })
    assert.equal(patience.aborted, false)
  } finally {
    for (const socket of sockets) socket.destroy()
    for (const server of servers) server.close()
    rmSync(directory, { recursive: true, force: true })
  }
})

// The host's side of the way out waits for a silent agent as long as its machine runs; a command must not wait as long.
test('whoever joins a wait for the agent waits no longer than they would alone', async () => {
  const directory = mkdtempSync('/tmp/atoll-link-')
  const files = { data: `${directory}/data`, control: `${directory}/control` }
  const sockets: Socket[] = []
  const servers = [files.data, files.control].map((path) =>
    createServer((socket) => void sockets.push(socket.on('error', () => {}))).listen(path),
  )
  const patient = new AbortController()
  try {
    await Promise.all(servers.map((server) => once(server, 'listening')))
    const link = new GuestLink(files, { noteBytes: () => {}, noteViolation: () => {} })
    const first = assert.rejects(link.session(patient.signal), { code: 'guest_unreachable' })
    await assert.rejects(link.session(AbortSignal.timeout(100)), { code: 'guest_unreachable' })
    const ended = new AppError('sandbox_expired', 'Its time is over.')
    await assert.rejects(link.session(AbortSignal.abort(ended)), ended)
    patient.abort()
    await first
    await assert.rejects(link.session(patient.signal), { code: 'guest_unreachable' })
  } finally {
    for (const socket of sockets) socket.destroy()
    for (const server of servers) server.close()
    rmSync(directory, { recursive: true, force: true })
  }
})
