/** A region that takes no time, in a process of its own: every answer is the same small record. What is measured is the way to it. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

const BODY = JSON.stringify({ data: { id: 'sbx_usw1_', state: 'running', metadata: { note: 'x'.repeat(400) } } })
const HEADERS = {
  'content-type': 'application/json',
  'content-length': Buffer.byteLength(BODY),
  'x-origin': '1',
  'x-region-load': '0.1',
}

const server = createServer((request, response) => {
  request.resume().once('end', () => {
    response.writeHead(request.method === 'POST' ? 201 : 200, HEADERS)
    response.end(BODY)
  })
})
server.keepAliveTimeout = 60_000
server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port))
process.on('disconnect', () => process.exit())
