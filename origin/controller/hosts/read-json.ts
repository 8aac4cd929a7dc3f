/** Reads an answer that should be JSON, and no more of it than an answer may have: a customer's own machine may send anything. */
import { LIMITS } from '../../../shared/limits.ts'
import { GrownBytes } from '../grown-bytes.ts'

export type JsonBody = AsyncIterable<Uint8Array>

/** Throws when it is too long or is not JSON; what is left of it is not read. */
export async function readJson(body: JsonBody, bytesMax: number = LIMITS.hostAnswerBytesMax): Promise<unknown> {
  const held = new GrownBytes()
  for await (const chunk of body) {
    held.push(chunk)
    if (held.size > bytesMax) throw new RangeError(`An answer of more than ${bytesMax} bytes.`)
  }
  return JSON.parse(held.takeText())
}
