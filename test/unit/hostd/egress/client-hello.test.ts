/** The name in the first words of TLS, as real clients say it, and as nobody should. */
import assert from 'node:assert/strict'
import { Duplex } from 'node:stream'
import { test } from 'node:test'
import { connect } from 'node:tls'
import fc from 'fast-check'
import { readClientHello } from '../../../../origin/hostd/egress/client-hello.ts'
import { LIMITS } from '../../../../shared/limits.ts'

/** What Node's own client says first. */
function greetingFor(servername: string): Promise<Buffer> {
  return new Promise((resolve) => {
    const socket = new Duplex({
      read: () => undefined,
      write: (chunk: Buffer, _encoding, done) => {
        resolve(chunk)
        done()
      },
    })
    connect({ socket, servername }).on('error', () => undefined)
  })
}

/** The same words in records of so many bytes. */
function inRecords(greeting: Buffer, bytes: number): Buffer {
  const words = greeting.subarray(5)
  const records: Buffer[] = []
  for (let at = 0; at < words.length; at += bytes) {
    const piece = words.subarray(at, at + bytes)
    records.push(Buffer.from([22, 3, 1, piece.length >> 8, piece.length & 255]), piece)
  }
  return Buffer.concat(records)
}

test('the name of a real client is read, however its words are cut', async () => {
  const greeting = await greetingFor('API.example.test')
  const expected = { kind: 'hello', serverName: 'api.example.test' }
  assert.deepEqual(readClientHello(greeting), expected)
  for (const bytes of [1, 7, 100]) assert.deepEqual(readClientHello(inRecords(greeting, bytes)), expected)
  for (let length = 0; length < greeting.length; length += 1)
    assert.notEqual(readClientHello(greeting.subarray(0, length)).kind, 'hello', String(length))
  assert.deepEqual(readClientHello(await greetingFor('')), { kind: 'hello', serverName: null })
})

test('no words of a stranger are read for longer than they are, or throw', async () => {
  const greeting = await greetingFor('api.test')
  fc.assert(
    fc.property(fc.nat(greeting.length - 1), fc.nat(255), fc.nat(greeting.length), (at, value, cut) => {
      const changed = Buffer.from(greeting)
      changed[at] = value
      readClientHello(changed.subarray(0, cut))
    }),
    { numRuns: 2_000 },
  )
  fc.assert(fc.property(fc.uint8Array(), (bytes) => assert.notEqual(readClientHello(Buffer.from(bytes)).kind, 'hello')))
  const endless = inRecords(
    Buffer.concat([Buffer.alloc(5), Buffer.from([1, 255, 255, 255]), Buffer.alloc(20_000)]),
    1_000,
  )
  assert.equal(readClientHello(endless.subarray(0, LIMITS.egressHelloBytesMax - 1)).kind, 'more')
  assert.equal(readClientHello(endless).kind, 'garbled')
})
