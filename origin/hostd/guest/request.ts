/** One request to the agent. What comes back is bounded and checked; what does not fit fails with guest_unreachable. */
import { type ClientHttp2Session, type ClientHttp2Stream, constants, type IncomingHttpHeaders } from 'node:http2'
import type * as z from 'zod'
import type { GuestMethod } from '../../../shared/contracts/host.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { unreachable } from './handshake.ts'
import { BrokenRules } from './violation.ts'

export type Ask = {
  method: GuestMethod
  path: string
  headers?: Record<string, string>
  body?: unknown
  /** The caller goes on sending on the stream that it gets. */
  isOpenEnded?: boolean
  /** The caller's; when it ends the request, the caller hears its reason. */
  signal?: AbortSignal | undefined
  /** How long the whole answer may take; null leaves it to the signal. */
  limitMs: number | null
}
export type Answer = { status: number; headers: IncomingHttpHeaders; stream: ClientHttp2Stream }

/** Sends a request and waits for the head of its answer. The signal and the limit reset the stream, also later while it is read. */
export async function ask(session: ClientHttp2Session, request: Ask): Promise<Answer> {
  const { stream, head } = begin(session, request)
  if (request.body !== undefined) stream.end(JSON.stringify(request.body))
  const headers = await head
  return { status: Number(headers[':status']), headers, stream }
}

export type Begun = { stream: ClientHttp2Stream; head: Promise<IncomingHttpHeaders> }

/** The same, when the head of the answer may come before all of the body is sent, or after it. */
export function begin(session: ClientHttp2Session, request: Ask): Begun {
  const { method, path, headers, body, isOpenEnded = body !== undefined, signal, limitMs } = request
  signal?.throwIfAborted()
  if (session.closed || session.destroyed) throw unreachable('The session with the sandbox has ended.')
  const stream = session.request({ ...headers, ':method': method, ':path': path }, { endStream: !isOpenEnded })
  const cancel = () => stream.close(constants.NGHTTP2_CANCEL)
  const timer = limitMs === null ? undefined : setTimeout(cancel, limitMs)
  signal?.addEventListener('abort', cancel, { once: true })
  // An agent that answers says so once; it could go on announcing for ever.
  stream.once('headers', () => session.destroy(new BrokenRules('unasked')))
  stream.once('close', () => {
    clearTimeout(timer)
    signal?.removeEventListener('abort', cancel)
  })
  return { stream, head: headOf(stream, signal) }
}

function headOf(stream: ClientHttp2Stream, signal?: AbortSignal): Promise<IncomingHttpHeaders> {
  return new Promise((resolve, reject) => {
    const fail = (cause?: unknown) => {
      reject(signal?.aborted ? signal.reason : unreachable('The agent in the sandbox did not answer.', cause))
    }
    stream.once('response', resolve).on('error', fail).once('close', fail)
  })
}

/** The whole body of an answer as what its schema says. */
export async function readAnswer<T extends z.ZodType>({ stream }: Answer, schema: T): Promise<z.output<T>> {
  const chunks: Buffer[] = []
  let bytes = 0
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      bytes += chunk.length
      if (bytes > LIMITS.frameBytesMax) throw new RangeError(`An answer of more than ${LIMITS.frameBytesMax} bytes.`)
      chunks.push(chunk)
    }
    return schema.parse(JSON.parse(Buffer.concat(chunks).toString()))
  } catch (cause) {
    throw unreachable('The agent in the sandbox gave an answer that is none.', cause)
  } finally {
    stream.close(constants.NGHTTP2_CANCEL)
  }
}
