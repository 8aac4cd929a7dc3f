/** The head of an answer on a connection that Node's server has let go of. */
import { STATUS_CODES } from 'node:http'

/** `headers` are names and values in turn, as Node has them. */
export function headText(status: number, words: string | undefined, headers: readonly string[]): string {
  const lines = [`HTTP/1.1 ${status} ${words ?? STATUS_CODES[status] ?? ''}`]
  for (let at = 0; at + 1 < headers.length; at += 2) lines.push(`${headers[at]}: ${headers[at + 1]}`)
  return `${lines.join('\r\n')}\r\n\r\n`
}
