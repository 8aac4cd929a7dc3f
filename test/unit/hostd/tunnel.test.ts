/** A connection to a port that is over before anybody has heard that it began. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { connect, constants, createServer } from 'node:http2'
import { connect as connectSocket } from 'node:net'
import { Duplex, PassThrough } from 'node:stream'
import { test } from 'node:test'
import { Channel } from '../../../origin/hostd/guest/channel.ts'
import { openTunnel } from '../../../origin/hostd/guest/open-tunnel.ts'
import type { Host } from '../../../origin/hostd/host.ts'
import { carryTunnel } from '../../../origin/hostd/http/carry-tunnel.ts'
import type { Registry } from '../../../origin/hostd/vm/registry.ts'
import { tunnelToVm } from '../../../origin/hostd/vm/tunnel.ts'
import { newVm, type Vm } from '../../../origin/hostd/vm/vm.ts'
import { UNWATCHED } from '../../integration/guest/unwatched.ts'
import { VM_SPEC } from './vm-spec.ts'

/** Hands on what came within a moment as one piece, as a machine does that was busy meanwhile. */
function gathering(socket: Duplex): Duplex {
  let came: Buffer[] = []
  const wire = new Duplex({
    read() {},
    write: (chunk, _encoding, done) => void socket.write(chunk, done),
    destroy: (error, done) => {
      socket.destroy()
      done(error)
    },
  })
  socket
    .on('error', () => {})
    .on('data', (chunk) => {
      if (came.length === 0)
        setTimeout(() => {
          wire.push(Buffer.concat(came))
          came = []
        }, 20)
      came.push(chunk)
    })
  return wire
}

// The caller would wait for ever, and the sandbox would have one connection fewer from then on.
test('a server that breaks a connection off as it takes it ends the tunnel, and the next one has its place', async () => {
  const directory = mkdtempSync('/tmp/atoll-tunnel-')
  const guest = createServer()
  guest.on('stream', (stream) => {
    stream.on('error', () => {}).respond({ ':status': 200 })
    stream.close(constants.NGHTTP2_INTERNAL_ERROR)
  })
  await once(guest.listen(`${directory}/guest`), 'listening')
  const socket = connectSocket(`${directory}/guest`)
  const wire = gathering(socket)
  const session = connect('http://guest', { createConnection: () => wire })
  try {
    const channel = new Channel(session, socket, UNWATCHED.wire)
    const tunnel = (port: number, { signal }: { signal?: AbortSignal }) => openTunnel(channel, port, signal)
    const machine = { guest: { session: async () => ({ tunnel }) }, died: new AbortController().signal }
    const vm: Vm = { ...newVm(VM_SPEC, 0), state: 'running', machine: machine as unknown as Vm['machine'] }
    const registry: Partial<Registry> = { require: () => vm }
    const host: Partial<Host> = { registry: registry as Registry }
    for (let index = 0; index < 20; index += 1) {
      const opened = await tunnelToVm(host as Host, 'sbx', 80, new AbortController().signal)
      const answer = Object.assign(new PassThrough(), { writeHead: () => answer, flushHeaders: () => {} })
      const asked = new PassThrough()
      await carryTunnel(asked as unknown as IncomingMessage, answer as unknown as ServerResponse, opened)
      assert.equal(answer.destroyed, true, 'nobody takes it for a whole answer')
      assert.equal(vm.tunnelsOpen, 0)
    }
  } finally {
    session.destroy()
    guest.close()
    rmSync(directory, { recursive: true, force: true })
  }
})
