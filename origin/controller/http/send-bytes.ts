/**
 * An answer of many bytes, sent as fast as it is taken. What breaks off breaks off for the caller, too: it is never ended as if it were
 * whole. Nor may it have another length than was announced: its rest, or what it has too many, would be taken for the next answer.
 */
import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'

/** When the caller leaves, the source is destroyed. */
export function sendBytes(
  outgoing: ServerResponse,
  status: number,
  headers: OutgoingHttpHeaders,
  bytes: Readable,
): Response {
  // What its end was is seen from whether it came before the close.
  bytes.on('error', () => {})
  bytes.once('close', () => !outgoing.writableEnded && outgoing.destroy())
  outgoing.once('close', () => bytes.destroy())
  if (outgoing.destroyed || bytes.destroyed) {
    bytes.destroy()
    outgoing.destroy()
    return RESPONSE_ALREADY_SENT
  }
  const announced = headers['content-length'] === undefined ? undefined : Number(headers['content-length'])
  let sent = 0
  bytes.on('data', (chunk: Buffer) => {
    sent += chunk.length
    if (announced !== undefined && sent > announced) return void outgoing.destroy()
    if (!outgoing.write(chunk)) bytes.pause()
  })
  outgoing.on('drain', () => bytes.resume())
  bytes.once('end', () => {
    if (announced === undefined || sent === announced) outgoing.end()
    else outgoing.destroy()
  })
  outgoing.writeHead(status, headers)
  outgoing.flushHeaders()
  return RESPONSE_ALREADY_SENT
}
