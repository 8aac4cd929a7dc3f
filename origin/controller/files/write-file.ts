/** Writing one file: what was there before stays until all of the new one is there. */
import type { Readable } from 'node:stream'
import type { FileRecord } from '../../../shared/contracts/file-fields.ts'
import { guestWritten } from '../../../shared/contracts/guest-files.ts'
import { AppError } from '../../../shared/errors.ts'
import { readGuestJson } from '../sandboxes/ask-guest.ts'
import { type Asker, askFiles } from './ask-files.ts'
import { type FilePath, filesPath } from './file-path.ts'
import { toFileRecord } from './records.ts'

export type Writing = {
  path: FilePath
  content: Uint8Array | Readable
  /** Of content that streams: how many bytes were announced. */
  length?: string | undefined
  mode?: string | undefined
  user?: string | undefined
}

/** Throws upload_incomplete for content that breaks off, and what the agent refuses. */
export async function writeFile(asker: Asker, { path, content, length, mode, user }: Writing): Promise<FileRecord> {
  const { file } = await upload(content, async () =>
    readGuestJson(
      await askFiles(asker, {
        method: 'PUT',
        path: filesPath('', path, { mode, user }),
        ...(length === undefined ? {} : { headers: { 'content-length': length } }),
        body: content,
      }),
      guestWritten,
    ),
  )
  return toFileRecord(file)
}

/** What breaks off on the caller's side is said to be that, and no failure of ours. */
export async function upload<T>(content: Uint8Array | Readable, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (thrown) {
    if ('errored' in content && content.errored instanceof AppError) throw content.errored
    throw thrown
  }
}

/** Base64 in either alphabet, or text. */
export const decoded = ({ content, encoding }: { content: string; encoding: 'base64' | 'utf8' }): Buffer =>
  Buffer.from(content, encoding)
