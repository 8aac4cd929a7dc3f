/** The end of a stream, also of one that had ended before anybody asked: its answer and its end may come in one piece. */
import type { ClientHttp2Stream } from 'node:http2'

/** Calls `heed` once, when nothing passes any more. */
export function whenClosed(stream: ClientHttp2Stream, heed: () => void): void {
  if (stream.destroyed) heed()
  else stream.once('close', heed)
}
