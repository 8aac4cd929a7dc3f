/** Names that strangers give, and name servers of strangers that never answer. */
import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import { publicNames } from '../../../origin/controller/webhooks/name-servers.ts'

/** A name server that says this to each question, or nothing. */
async function nameServer(t: TestContext, answer: (question: Buffer) => Buffer | null): Promise<string> {
  const server = createSocket('udp4').bind(0, '127.0.0.1')
  server.on('message', (question, from) => {
    const said = answer(question)
    if (said !== null) server.send(said, from.port, from.address)
  })
  await once(server, 'listening')
  t.after(() => server.close())
  return `127.0.0.1:${server.address().port}`
}

const [HEAD_BYTES, TYPE_A, TYPE_AAAA] = [12, 1, 28]

/** RFC 1035: the question again, and a record of its type for its name. */
function answerWith(question: Buffer): Buffer {
  const nameEnd = question.indexOf(0, HEAD_BYTES) + 1
  const type = question.readUInt16BE(nameEnd)
  const data = type === TYPE_A ? Buffer.from([203, 0, 113, 7]) : Buffer.from('20010db8000000000000000000000007', 'hex')
  const record = Buffer.from([0xc0, HEAD_BYTES, 0, type, 0, 1, 0, 0, 0, 60, 0, data.length])
  const head = Buffer.from([...question.subarray(0, 2), 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0])
  return Buffer.concat([head, question.subarray(HEAD_BYTES, nameEnd + 4), record, data])
}

test('the addresses of both kinds are found, and one kind is enough', async (t) => {
  const both = publicNames([await nameServer(t, answerWith)])
  const found = [
    { address: '203.0.113.7', family: 4 },
    { address: '2001:db8::7', family: 6 },
  ]
  assert.deepEqual(await both('a.example'), found)
  const isFour = (question: Buffer): boolean => question.readUInt16BE(question.indexOf(0, HEAD_BYTES) + 1) !== TYPE_AAAA
  const four = publicNames([await nameServer(t, (question) => (isFour(question) ? answerWith(question) : null))])
  assert.deepEqual(await four('a.example'), found.slice(0, 1))
})

// Signatures are verified on the threads on which the system's resolver waits, and there are four.
test('while many names are asked of a server that never answers, nothing else waits for it', async (t) => {
  const names = publicNames([await nameServer(t, () => null)])
  let isOver = false
  const asked = Promise.allSettled(Array.from({ length: 64 }, (_, n) => names(`n${n}.example`))).then((answers) => {
    isOver = true
    return answers
  })
  const key = await crypto.subtle.generateKey({ name: 'HMAC', hash: 'SHA-256' }, false, ['sign', 'verify'])
  const word = new TextEncoder().encode('word')
  for (let n = 0; n < 32; n++)
    assert.ok(await crypto.subtle.verify('HMAC', key, await crypto.subtle.sign('HMAC', key, word), word))
  assert.equal(isOver, false, 'all of it went on beside the questions')
  assert.ok((await asked).every(({ status }) => status === 'rejected'))
})
