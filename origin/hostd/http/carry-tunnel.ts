/** Joins a request and its answer to a tunnel: what the caller sends goes in, what the port says comes out, neither faster than it is taken. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { constants } from 'node:http2'
import { whenClosed } from '../guest/when-closed.ts'
import type { Tunnel } from '../vm/tunnel.ts'

/**
 * Resolves when the tunnel is closed. An end that the port did not mean is passed on as a broken answer, never as a whole one, so that
 * nobody takes half of something for all of it.
 */
export async function carryTunnel(incoming: IncomingMessage, outgoing: ServerResponse, tunnel: Tunnel): Promise<void> {
  const { stream, broken, noteActivity } = tunnel
  const closed = new Promise<void>((resolve) => whenClosed(stream, resolve))
  // How it ended is read from its code; an error that nobody hears would end the process.
  stream.on('error', () => {})
  incoming.on('error', () => {})
  outgoing.writeHead(200, { 'content-type': 'application/octet-stream' })
  outgoing.flushHeaders()
  incoming.on('data', noteActivity)
  stream.on('data', noteActivity)
  incoming.pipe(stream)
  stream.pipe(outgoing, { end: false })
  await closed
  if (stream.rstCode === constants.NGHTTP2_NO_ERROR && !broken.aborted) outgoing.end()
  else outgoing.destroy()
}
