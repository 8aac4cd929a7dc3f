/** Asks the agent about files over a session, as a host passes it on. */
import type { ClientHttp2Stream } from 'node:http2'
import { Readable } from 'node:stream'
import type { GuestHead } from '../../../origin/hostd/guest/open-call.ts'
import type { GuestSession } from '../../../origin/hostd/guest/session.ts'
import type { GuestMethod } from '../../../shared/contracts/host.ts'

export type FileAnswer = GuestHead & { stream: ClientHttp2Stream }

type FileRequest = {
  query?: Record<string, string>
  headers?: Record<string, string>
  /** JSON, or pieces that are sent as fast as they are taken. */
  body?: object | AsyncIterable<Buffer>
  signal?: AbortSignal
}

/** The head of an answer; its body is still to be read. */
export async function askFiles(
  session: GuestSession,
  method: GuestMethod,
  route: string,
  { query = {}, headers = {}, body, signal = AbortSignal.timeout(120_000) }: FileRequest = {},
): Promise<FileAnswer> {
  const path = `/v1/files${route}?${new URLSearchParams(query)}`
  const { stream, head } = session.call({ method, path, headers, hasBody: body !== undefined }, signal)
  stream.on('error', () => {})
  if (body !== undefined && Symbol.asyncIterator in body) Readable.from(body).pipe(stream)
  else if (body !== undefined) stream.end(JSON.stringify(body))
  return { ...(await head), stream }
}

export async function bytesOf({ stream }: FileAnswer): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of stream as AsyncIterable<Buffer>) pieces.push(piece)
  return Buffer.concat(pieces)
}

export const jsonOf = async (answer: FileAnswer): Promise<unknown> => JSON.parse((await bytesOf(answer)).toString())
