/**
 * A request's body, in hand or in passing. Small bodies of known length are kept where they may have to be read or sent again;
 * everything else streams through, counted against the tier's limit. An upload has no limit here: the disk that it goes to has one.
 */
import { AppError } from '../../shared/errors.ts'
import { LIMITS } from '../../shared/limits.ts'
import type { Body } from './body.ts'
import { carryUpload } from './carry-upload.ts'
import type { Call } from './classify-request.ts'

const BYTES_PER_MIB = 1024 * 1024
const NO_STREAM = { kind: 'none' } as const

/** Throws body_too_large when the declared length already is over the limit. */
export async function takeBody(request: Request, call: Call, bodyMibMax: number): Promise<Body> {
  if (request.body === null || request.method === 'GET' || request.method === 'HEAD') return NO_STREAM
  const bytesMax = bodyMibMax * BYTES_PER_MIB
  const length = declaredLength(request.headers)
  if (call.isUpload) return carryUpload(request.body, length)
  if (length === 0) return NO_STREAM
  if (length === null) return countedStream(request.body, bytesMax)
  if (length > bytesMax) throw tooLarge(bytesMax)
  if (isKept(call) && length <= LIMITS.retryBodyBytesMax) {
    return { kind: 'kept', bytes: new Uint8Array(await request.arrayBuffer()) }
  }
  return { kind: 'stream', stream: request.body, waits: { bytesMax: length }, cut: new AbortController().signal }
}

const tooLarge = (bytesMax: number): AppError =>
  new AppError('body_too_large', `With this API key, a body may have at most ${bytesMax} bytes.`, {
    details: { limit_bytes: bytesMax },
  })

/** Creates may be sent again; commands say in their body how long they run. */
const isKept = (call: Call): boolean => call.class === 'create' || call.runsCommand

/** The server in front of the Worker holds a sender to its declared length, so such a body needs no counting. */
function declaredLength(headers: Headers): number | null {
  const value = headers.get('content-length')
  return value !== null && /^[0-9]{1,15}$/.test(value) ? Number(value) : null
}

/** workerd ends a request whose body failed as if it were whole, so what is over the limit is dropped and the sender told to cut. */
function countedStream(source: ReadableStream<Uint8Array>, bytesMax: number): Body {
  const over = new AbortController()
  let bytes = 0
  const counter = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      bytes += chunk.byteLength
      if (bytes <= bytesMax) controller.enqueue(chunk)
      else over.abort(tooLarge(bytesMax))
    },
  })
  return { kind: 'stream', stream: source.pipeThrough(counter), waits: { bytesMax }, cut: over.signal }
}
