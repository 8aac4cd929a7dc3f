/** Files as text, by the calls of another client: parse, call, translate. */
import { FS_ROUTES } from '../../../shared/contracts/file-system.ts'
import { guestRemoved, guestWritten } from '../../../shared/contracts/guest-files.ts'
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Principal } from '../accounts/principal.ts'
import type { Controller } from '../controller.ts'
import { changeFiles } from '../files/ask-files.ts'
import { openFile } from '../files/read-file.ts'
import { writeFile } from '../files/write-file.ts'
import { type Answered, whyCut } from '../sandboxes/ask-guest.ts'
import { list } from './file-routes.ts'
import { type Call, json, type Outcome, type Serve } from './serve-route.ts'

type Routes = typeof FS_ROUTES

export function serveFileSystem(serve: Serve<Principal>): void {
  serve(FS_ROUTES.read, read)
  serve(FS_ROUTES.write, async (call) => {
    const { path, content } = call.body
    await writeFile(call, { path, content: Buffer.from(content) })
    return done(path)
  })
  serve(FS_ROUTES.mkdir, async (call) => {
    const { path, recursive } = call.body
    await changeFiles(call, '/mkdir', { path, parents: recursive }, guestWritten)
    return done(path)
  })
  serve(FS_ROUTES.list, listFiles)
  serve(FS_ROUTES.remove, async (call) => {
    await changeFiles(call, '/remove', { path: call.query.path, recursive: true }, guestRemoved)
    return done(call.query.path)
  })
}

const done = (path: string): Outcome => json({ success: true, path })

async function read(call: Call<Routes['read']>): Promise<Outcome> {
  const { path } = call.query
  const answer = await openFile(call, { path, user: undefined, method: 'GET', headers: {} })
  return json({ path, content: await readText(call.controller, answer) })
}

async function readText(controller: Controller, { body, row }: Answered): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      size += chunk.length
      if (size > LIMITS.fileTextBytesMax)
        throw new AppError('file_too_large', `As text, a file may have at most ${LIMITS.fileTextBytesMax} bytes.`)
      chunks.push(chunk)
    }
    return Buffer.concat(chunks).toString()
  } catch (thrown) {
    throw thrown instanceof AppError ? thrown : await whyCut(controller, row)
  }
}

async function listFiles(call: Call<Routes['list']>): Promise<Outcome> {
  const { entries } = await list(call, call.query.path, { depth: 1 })
  const files = entries.map(({ name, is_dir, size, modified_at }) => ({
    name,
    type: is_dir ? 'directory' : 'file',
    size_bytes: size,
    modified_at,
  }))
  return json({ files })
}
