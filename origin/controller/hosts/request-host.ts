/**
 * One request on a connection that may have served others before. A host that ends a connection as a request is sent on it, because it
 * stops or the connection broke, has not heard of it; but neither has it said so. What may be asked twice without doing anything twice is
 * sent once more, and goes on another connection; of anything else nobody knows whether it was done.
 */
import { Readable } from 'node:stream'
import type { Dispatcher, Pool } from 'undici'

const REPEATABLE: ReadonlySet<string> = new Set(['GET', 'HEAD'])
/** No answer has begun, and the connection is gone. */
const CUT: ReadonlySet<unknown> = new Set(['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET'])

/** Fails like `Pool.request`. */
export async function requestHost(pool: Pool, question: Dispatcher.RequestOptions): Promise<Dispatcher.ResponseData> {
  try {
    return await pool.request(question)
  } catch (thrown) {
    if (!REPEATABLE.has(question.method) || question.body instanceof Readable || !wasCut(thrown)) throw thrown
    return await pool.request(question)
  }
}

const wasCut = (thrown: unknown): boolean => thrown instanceof Error && 'code' in thrown && CUT.has(thrown.code)
