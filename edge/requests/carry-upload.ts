/**
 * An upload of whatever length on its way through the Worker: never more of it in memory than one piece, and a note of when the last
 * piece moved, by which a slow sender is told from one who is gone and from a region that takes nothing.
 */
import { AppError } from '../../shared/errors.ts'
import { LIMITS } from '../../shared/limits.ts'
import type { Body } from './body.ts'

/** `length` is what was declared, or null. */
export function carryUpload(source: ReadableStream<Uint8Array>, length: number | null): Body {
  const broken = new AbortController()
  let atMs = Date.now()
  const { readable, writable } = length === null ? new IdentityTransformStream() : new FixedLengthStream(length)
  const noteMove = (): void => {
    atMs = Date.now()
  }
  pump(source, writable, noteMove).catch((cause: unknown) =>
    // workerd ends a request whose body failed as if it were whole: the connection has to be cut instead.
    broken.abort(new AppError('upload_incomplete', 'The body broke off before its end.', { cause })),
  )
  return { kind: 'stream', stream: readable, waits: { movedAtMs: () => atMs }, cut: broken.signal }
}

/** In pieces of our own size: read without a buffer, a stream of workerd comes in pieces of 4 KiB. */
async function pump(
  source: ReadableStream<Uint8Array>,
  into: WritableStream<Uint8Array>,
  noteMove: () => void,
): Promise<void> {
  const reader = source.getReader({ mode: 'byob' })
  const writer = into.getWriter()
  let buffer = new Uint8Array(LIMITS.edgePieceBytes)
  for (;;) {
    const { done, value } = await reader.read(buffer)
    if (done) break
    noteMove()
    await writer.write(value)
    noteMove()
    // What was written has been taken, so its memory is free again.
    buffer = new Uint8Array(value.buffer)
  }
  await writer.close()
}
