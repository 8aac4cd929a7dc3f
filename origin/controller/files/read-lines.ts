/** Lines of a stream of bytes, as they come. */
import type { Readable } from 'node:stream'

const NEWLINE = 0x0a

/** Without their ends; a rest without one is a line that was cut, and is left out. Throws RangeError for a line that is too long. */
export async function* readLines(body: Readable, bytesMax: number): AsyncGenerator<string> {
  let rest: Buffer = Buffer.alloc(0)
  for await (const chunk of body as AsyncIterable<Buffer>) {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    for (let end = rest.indexOf(NEWLINE); end >= 0; end = rest.indexOf(NEWLINE)) {
      yield rest.subarray(0, end).toString()
      rest = rest.subarray(end + 1)
    }
    if (rest.length > bytesMax) throw new RangeError(`A line of more than ${bytesMax} bytes.`)
  }
}
