/** A customer's server that webhooks tell: it keeps what came, checks every signature as a client of the field does, and answers as it is told. */
import { createHmac } from 'node:crypto'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { until } from './region.ts'

export type Received = { path: string; headers: IncomingHttpHeaders; body: string; json: ReceivedEvent }
export type ReceivedEvent = { id: string; type: string; created_at: string; data: Record<string, unknown> }
export type Receiver = {
  url: string
  received: Received[]
  /** What the next deliveries are answered with; 200 when nothing is said. 0 never answers. */
  answer: (received: Received) => number
  /** Waits until this many have come, refused ones included. */
  take(count: number): Promise<Received[]>
  close(): void
}

export const signatureOf = (secret: string, t: string, body: string): string =>
  createHmac('sha256', secret).update(`${t}.${body}`).digest('hex')

/** As the SDK of the field does: both headers, a time that is near, and a MAC over the raw body. */
export function isSignedBy(secret: string, { headers, body }: Received): boolean {
  const header = String(headers['miosa-signature'])
  const [, t = '', v1] = /^t=(\d+),v1=([0-9a-f]+)$/.exec(header) ?? []
  const isRecent = Math.abs(Date.now() / 1_000 - Number(t)) < 300
  return headers['atoll-signature'] === header && isRecent && signatureOf(secret, t, body) === v1
}

export async function startReceiver(): Promise<Receiver> {
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
    const body = Buffer.concat(chunks).toString('utf8')
    const one: Received = { path: request.url ?? '', headers: request.headers, body, json: JSON.parse(body) }
    receiver.received.push(one)
    const status = receiver.answer(one)
    if (status !== 0) response.writeHead(status).end('{}')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const receiver: Receiver = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received: [],
    answer: () => 200,
    async take(count) {
      await until(`${count} deliveries`, () => receiver.received.length >= count)
      return receiver.received
    },
    close() {
      server.closeAllConnections()
      server.close()
    },
  }
  return receiver
}
