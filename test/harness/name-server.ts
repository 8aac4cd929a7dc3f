/** A name server on loopback that knows a few names, so that nothing of a test is asked of the internet. */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'

export type NameServer = { address: string; close: () => void }

const HEADER_BYTES = 12
const [ANSWERED, UNKNOWN] = [0x8180, 0x8183]
const [IPV4, INTERNET] = [1, 1]

/** `names` lead to IPv4 addresses; of everything else nothing is known. */
export async function startNameServer(names: Record<string, string>): Promise<NameServer> {
  const socket = createSocket('udp4')
  socket.on('message', (message, from) => {
    const answer = answerTo(message, names)
    if (answer !== null) socket.send(answer, from.port, from.address)
  })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  return { address: `127.0.0.1:${socket.address().port}`, close: () => socket.close() }
}

/** RFC 1035, 4.1: the header, the question as it was, and a record that points back to its name. */
function answerTo(message: Buffer, names: Record<string, string>): Buffer | null {
  const labels: string[] = []
  let at = HEADER_BYTES
  for (let length = message[at] ?? 0; length > 0; length = message[at] ?? 0) {
    labels.push(message.toString('latin1', at + 1, at + 1 + length))
    at += 1 + length
  }
  if (at + 5 > message.length) return null
  const question = message.subarray(HEADER_BYTES, at + 5)
  const address = names[labels.join('.').toLowerCase()]
  const isFound = address !== undefined && message.readUInt16BE(at + 1) === IPV4
  const header = Buffer.alloc(HEADER_BYTES)
  message.copy(header, 0, 0, 2)
  header.writeUInt16BE(address === undefined ? UNKNOWN : ANSWERED, 2)
  header.writeUInt16BE(1, 4)
  header.writeUInt16BE(isFound ? 1 : 0, 6)
  if (!isFound) return Buffer.concat([header, question])
  const record = Buffer.from([
    0xc0,
    HEADER_BYTES,
    0,
    IPV4,
    0,
    INTERNET,
    0,
    0,
    0,
    1,
    0,
    4,
    ...address.split('.').map(Number),
  ])
  return Buffer.concat([header, question, record])
}
