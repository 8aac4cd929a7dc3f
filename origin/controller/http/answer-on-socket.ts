/** An answer to whoever wanted another protocol and does not get it, on the bare connection. */
import type { Duplex } from 'node:stream'
import { sayLast } from '../previews/leaving.ts'
import { headText } from './head-text.ts'

/** Reads the whole answer first, and hangs up behind it. */
export async function answerOnSocket(socket: Duplex, answer: Response): Promise<void> {
  const body = await answer.text()
  const headers = [...answer.headers].filter(([name]) => name !== 'connection').flat()
  const framing = ['content-length', String(Buffer.byteLength(body)), 'connection', 'close']
  sayLast(socket, headText(answer.status, undefined, [...headers, ...framing]) + body)
}
