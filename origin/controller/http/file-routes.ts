/** The routes of files: parse, call, translate. */

import type { FileList, ManyWritten } from '../../../shared/contracts/file-fields.ts'
import { FILE_ROUTES } from '../../../shared/contracts/files.ts'
import type { GuestPath } from '../../../shared/contracts/guest-files.ts'
import {
  guestFile,
  guestFileList,
  guestRemoved,
  guestWritten,
  guestWrittenMany,
} from '../../../shared/contracts/guest-files.ts'
import { AppError } from '../../../shared/errors.ts'
import type { Principal } from '../accounts/principal.ts'
import { type Asker, changeFiles, readFiles } from '../files/ask-files.ts'
import { bytesOf, escaped, type FilePath, filesPath, pathOfUrl } from '../files/file-path.ts'
import { nameOf, openFile, openFileOfUrl, type Reading, toOutcome } from '../files/read-file.ts'
import { toFileList, toFileRecord, toTree } from '../files/records.ts'
import { linkMaker } from '../files/sign-link.ts'
import { watchFiles } from '../files/watch-files.ts'
import { decoded, writeFile } from '../files/write-file.ts'
import { findForChange } from '../sandboxes/find-sandbox.ts'
import { header } from './arrival.ts'
import { type Call, json, type Outcome, type Serve } from './serve-route.ts'

type Routes = typeof FILE_ROUTES

/** Those with names of their own come before those that take any path. */
export function serveFiles(serve: Serve<Principal>): void {
  serve(FILE_ROUTES.write, async (call) =>
    json({ data: await writeFile(call, { ...call.body, content: decoded(call.body) }) }),
  )
  serve(FILE_ROUTES.list, async (call) => json({ data: await list(call, call.query.path, call.query) }))
  serve(FILE_ROUTES.stat, stat)
  serve(FILE_ROUTES.writeMany, async (call) => json({ data: await writeMany(call, call.body) }))
  serve(FILE_ROUTES.batch, async (call) => json({ data: await writeMany(call, call.body) }))
  serve(FILE_ROUTES.mkdir, async (call) => one((await changeFiles(call, '/mkdir', call.body, guestWritten)).file))
  serve(FILE_ROUTES.move, async (call) => one(await changeFiles(call, '/move', call.body, guestFile)))
  serve(FILE_ROUTES.copy, async (call) => one(await changeFiles(call, '/copy', call.body, guestFile)))
  serve(FILE_ROUTES.chmod, async (call) => one(await changeFiles(call, '/chmod', call.body, guestFile)))
  serve(FILE_ROUTES.sign, sign)

  serve(FILE_ROUTES.listOfDocs, async (call) =>
    call.query.path === undefined ? readOfUrl(call) : json({ data: await list(call, call.query.path, call.query) }),
  )
  serve(FILE_ROUTES.tree, async (call) =>
    call.query.path === undefined ? readOfUrl(call) : tree(call, call.query.path),
  )
  serve(FILE_ROUTES.search, async (call) =>
    call.query.pattern === undefined ? readOfUrl(call) : search(call, call.query.pattern),
  )
  serve(FILE_ROUTES.watch, watch)
  serve(FILE_ROUTES.readOfDocs, async (call) =>
    call.query.path === undefined ? readOfUrl(call) : read(call, call.query.path),
  )

  serve(FILE_ROUTES.read, readOfUrl)
  serve(FILE_ROUTES.put, put)
  serve(FILE_ROUTES.remove, remove)
}

type Named = Parameters<typeof toFileRecord>[0]
const one = (file: Named): Outcome => json({ data: toFileRecord(file) })

type Listing = { depth: number; limit?: number | undefined; user?: string | undefined }

export const list = async (asker: Asker, path: FilePath, { depth, limit, user }: Listing): Promise<FileList> =>
  toFileList(await readFiles(asker, filesPath('/list', path, { depth, limit, user }), guestFileList))

async function stat(call: Call<Routes['stat']>): Promise<Outcome> {
  const { path, follow, user } = call.body
  return one(await readFiles(call, filesPath('/stat', path, { follow, user }), guestFile))
}

async function tree(call: Call<Routes['tree']>, path: string): Promise<Outcome> {
  const { depth, limit, user } = call.query
  const [root, below] = await Promise.all([
    readFiles(call, filesPath('/stat', path, { user }), guestFile),
    readFiles(call, filesPath('/list', path, { depth, limit, user }), guestFileList),
  ])
  return json({ data: toTree(root, below) })
}

async function search(call: Call<Routes['search']>, pattern: string): Promise<Outcome> {
  const { path, limit, user } = call.query
  const found = await readFiles(call, filesPath('/search', path, { pattern, limit, user }), guestFileList)
  return json({ data: toFileList(found) })
}

async function writeMany(asker: Asker, { files, user }: Call<Routes['writeMany']>['body']): Promise<ManyWritten> {
  const written = files.map(({ path, mode, ...file }) => ({ path, mode, content: decoded(file).toString('base64') }))
  const told = await changeFiles(asker, '/write-many', { user, files: written }, guestWrittenMany)
  if (told.files.length !== files.length)
    throw new AppError('guest_unreachable', 'The agent inside the sandbox gave an answer that is none.')
  const answer: ManyWritten = { written: [], failed: [] }
  for (const [at, outcome] of told.files.entries())
    if ('file' in outcome) answer.written.push({ path: outcome.file.path, size_bytes: outcome.file.size })
    else answer.failed.push({ path: textOf(files[at]?.path ?? ''), error: outcome.message, code: outcome.code })
  return answer
}

const textOf = (path: GuestPath): string => Buffer.from(bytesOf(path)).toString()

async function sign(call: Call<Routes['sign']>): Promise<Outcome> {
  const { controller, principal, reference, origin } = call
  const { path, method, expires_in: ttlSec, user } = call.body
  const { id } = await findForChange(controller.database.db, principal, reference, controller.region.code)
  const links = await linkMaker(controller, principal, { sandbox: id, origin, ttlSec })
  const below = escaped(bytesOf(path)).replace(/^\/+/, '')
  if (below === '') throw new AppError('invalid_path', 'The root is no file.')
  const target = `/v1/sandboxes/${id}/files/${below}${user === undefined ? '' : `?user=${user}`}`
  const url = await links.link(method, target)
  return json({ data: { url, method, path: `/${textOf(path).replace(/^\/+/, '')}`, expires_at: links.expiresAt } })
}

async function watch(call: Call<Routes['watch']>): Promise<Outcome> {
  const { path, recursive, user } = call.query
  const isStream = header(call.arrival, 'accept')?.includes('text/event-stream') === true
  if (path === undefined && !isStream) return readOfUrl(call)
  // Nobody would read it, so nobody would close it.
  if (call.arrival.method === 'HEAD') return { text: null, headers: { 'content-type': 'text/event-stream' } }
  return { stream: await watchFiles(call, { path: path ?? '/workspace', recursive, user }) }
}

type Asked = Asker & Pick<Call<Routes['read']>, 'arrival' | 'pathname'> & { query: { user?: string | undefined } }

const readingOf = <P extends FilePath>({ arrival, query }: Asked, path: P): Reading & { path: P } => ({
  path,
  user: query.user,
  method: arrival.method === 'HEAD' ? 'HEAD' : 'GET',
  headers: { range: header(arrival, 'range'), 'if-range': header(arrival, 'if-range') },
})

export async function read(call: Asked, path: FilePath): Promise<Outcome> {
  const reading = readingOf(call, path)
  return toOutcome(await openFile(call, reading), reading.method, nameOf(path))
}

async function readOfUrl(call: Asked): Promise<Outcome> {
  const reading = readingOf(call, pathOfUrl(call.pathname))
  return toOutcome(await openFileOfUrl(call, reading), reading.method, nameOf(reading.path))
}

async function put(call: Call<Routes['put']>): Promise<Outcome> {
  const { upload: content, arrival, query } = call
  const length = header(arrival, 'content-length')
  return json({ data: await writeFile(call, { path: pathOfUrl(call.pathname), content, length, ...query }) })
}

async function remove(call: Call<Routes['remove']>): Promise<Outcome> {
  const path = pathOfUrl(call.pathname)
  const wish = {
    path: { base64: path.toString('base64') },
    recursive: call.query.recursive === 'true',
    user: call.query.user,
  }
  const { removed } = await changeFiles(call, '/remove', wish, guestRemoved)
  return json({ data: { path: path.toString(), removed } })
}
