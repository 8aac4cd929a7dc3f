/** Reads an answer that should be JSON, and no more of it than an answer may have: a customer's own machine may send anything. */
import { LIMITS } from '../../../shared/limits.ts'

export type JsonBody = AsyncIterable<Uint8Array>

/** Throws when it is too long or is not JSON; what is left of it is not read. */
export async function readJson(body: JsonBody, bytesMax: number = LIMITS.hostAnswerBytesMax): Promise<unknown> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of body) {
    size += chunk.length
    if (size > bytesMax) throw new RangeError(`An answer of more than ${bytesMax} bytes.`)
    chunks.push(chunk)
  }
  return JSON.parse(Buffer.concat(chunks).toString('utf8'))
}
