/** The bytes of a file as an answer. Its name and its content are a stranger's, so no browser may take them for a page of ours. */
import { AppError, type ErrorCode } from '../../../shared/errors.ts'
import type { Outcome } from '../http/serve-route.ts'
import type { Answered } from '../sandboxes/ask-guest.ts'
import { type Asker, askFiles } from './ask-files.ts'
import { bytesOf, escaped, type FilePath, filesPath } from './file-path.ts'

export type Reading = {
  path: FilePath
  user: string | undefined
  method: 'GET' | 'HEAD'
  /** The caller's own. */
  headers: { range?: string | undefined; 'if-range'?: string | undefined }
}

/** What may be told of a file in headers, each in the one form in which it is believed. */
const TOLD: readonly [name: string, form: RegExp][] = [
  ['content-length', /^\d{1,16}$/],
  ['content-range', /^bytes \d{1,16}-\d{1,16}\/\d{1,16}$/],
  ['accept-ranges', /^bytes$/],
  ['etag', /^(W\/)?"[\x21\x23-\x7e]{1,200}"$/],
  ['last-modified', /^[A-Za-z]{3}, \d{2} [A-Za-z]{3} \d{4} \d{2}:\d{2}:\d{2} GMT$/],
  ['atoll-file-mode', /^[0-7]{3,4}$/],
  ['atoll-file-size', /^\d{1,16}$/],
]

const WHOLE = 200
const PART = 206

/** Throws what the agent refuses, and guest_unreachable for an answer that is none. */
export async function openFile(asker: Asker, reading: Reading): Promise<Answered> {
  if (reading.method === 'GET') return ask(asker, reading)
  try {
    return await ask(asker, reading)
  } catch (thrown) {
    if (!isAbout(thrown, 'guest_unreachable')) throw thrown
    // A head that is refused cannot say why.
    const { body } = await ask(asker, { ...reading, method: 'GET' })
    body.destroy()
    throw thrown
  }
}

async function ask(asker: Asker, { path, user, method, headers }: Reading): Promise<Answered> {
  const asked = Object.entries(headers).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as const],
  )
  const answer = await askFiles(asker, {
    method,
    path: filesPath('', path, { user }),
    headers: Object.fromEntries(asked),
  })
  if (answer.status === WHOLE || (answer.status === PART && answer.headers['content-range'] !== undefined))
    return answer
  answer.body.destroy()
  throw new AppError('guest_unreachable', 'The agent inside the sandbox gave an answer that is none.', {
    detail: `status ${answer.status} for a file`,
  })
}

/** Where a client has stripped the slash of a path that was below /workspace, it is found there. */
export async function openFileOfUrl(asker: Asker, reading: Reading & { path: Uint8Array }): Promise<Answered> {
  try {
    return await openFile(asker, reading)
  } catch (thrown) {
    if (!isAbout(thrown, 'file_not_found')) throw thrown
    const below = Buffer.concat([Buffer.from('/workspace'), reading.path])
    return await openFile(asker, { ...reading, path: below }).catch((second: unknown) => {
      throw isAbout(second, 'file_not_found') ? thrown : second
    })
  }
}

const isAbout = (thrown: unknown, code: ErrorCode): boolean => thrown instanceof AppError && thrown.code === code

export function toOutcome({ status, headers, body }: Answered, method: 'GET' | 'HEAD', filename: string): Outcome {
  const told = TOLD.flatMap(([name, form]) => {
    const value = headers[name]
    return value !== undefined && form.test(value) ? [[name, value] as const] : []
  })
  const answer = { status, headers: { ...Object.fromEntries(told), ...headersOfBytes(filename) } }
  if (method === 'GET') return { ...answer, bytes: body }
  body.resume()
  return { ...answer, text: null }
}

/** Bytes of a stranger: kept by nobody, saved and not shown. */
export const headersOfBytes = (filename: string): Record<string, string> => ({
  'content-type': 'application/octet-stream',
  'content-disposition': `attachment; filename*=UTF-8''${escaped(Buffer.from(filename.toWellFormed())).replaceAll('/', '%2F')}`,
  'cache-control': 'private, no-store',
  'x-content-type-options': 'nosniff',
  'content-security-policy': 'sandbox',
})

/** The last part of a path, as text. */
export const nameOf = (path: FilePath): string =>
  Buffer.from(bytesOf(path)).toString().replace(/\/+$/, '').replace(/^.*\//s, '')
