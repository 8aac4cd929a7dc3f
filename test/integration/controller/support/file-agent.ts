/**
 * The agent's routes of files (shared/contracts/guest-files.ts) over a directory of this machine, one for each sandbox. As far as the
 * controller can tell it is an agent; what only a kernel and a machine of its own can show is shown with those.
 */
import { spawn } from 'node:child_process'
import { createReadStream, createWriteStream } from 'node:fs'
import { chmod, cp, mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { basename, dirname, join, normalize } from 'node:path'
import { json } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import type * as z from 'zod'
import {
  type GuestFile,
  type GuestPath,
  guestFileChmod,
  guestFileCopy,
  guestFileMkdir,
  guestFileMove,
  guestFileRemove,
  guestPack,
  guestWriteMany,
} from '../../../../shared/contracts/guest-files.ts'
import { AppError, type ErrorCode } from '../../../../shared/errors.ts'

export type FileAgent = {
  answer(request: IncomingMessage, response: ServerResponse, id: string): void
  /** Every call, as `PUT /v1/files`. */
  asked: string[]
  /** What the next upload does when it has read some of the body. */
  uploadMishap: AppError | null
  /** The watches that are open. */
  watches: Set<ServerResponse>
  remove(): Promise<void>
}

const CODES: Record<string, ErrorCode> = {
  ENOENT: 'file_not_found',
  EISDIR: 'is_a_directory',
  ENOTDIR: 'not_a_directory',
  EEXIST: 'already_exists',
  ENOTEMPTY: 'not_empty',
}

export async function fileAgent(): Promise<FileAgent> {
  const top = await mkdtemp(join(tmpdir(), 'atoll-files-'))
  const agent: FileAgent = {
    asked: [],
    uploadMishap: null,
    watches: new Set(),
    answer(request, response, id) {
      agent.asked.push(`${request.method} ${request.url?.split('?')[0]}`)
      answerCall(agent, join(top, id), request, response).catch((thrown: unknown) => refuse(response, thrown))
    },
    remove: () => rm(top, { recursive: true, force: true }),
  }
  return agent
}

function refuse(response: ServerResponse, thrown: unknown): void {
  const code =
    thrown instanceof AppError ? thrown.code : (CODES[String(Reflect.get(Object(thrown), 'code'))] ?? 'file_refused')
  if (response.headersSent) return void response.destroy()
  response.writeHead(new AppError(code, '').status, { 'content-type': 'application/json' })
  response.end(JSON.stringify({ code, message: thrown instanceof AppError ? thrown.message : String(thrown) }))
}

async function answerCall(agent: FileAgent, root: string, request: IncomingMessage, response: ServerResponse) {
  const url = new URL(request.url ?? '', 'http://agent')
  const query = url.searchParams
  const place = (path: GuestPath): string => join(root, absolute(path))
  const say = (value: unknown): void => void response.end(JSON.stringify(value))
  const tell = async (path: string): Promise<GuestFile> => fileOf(path, root)
  const asked = absolute(query.get('path') ?? '/')
  const at = join(root, asked)
  await mkdir(join(root, 'workspace'), { recursive: true })
  const body = async <T extends z.ZodType>(schema: T): Promise<z.output<T>> => schema.parse(await json(request))

  switch (`${request.method} ${url.pathname.replace('/v1/files', '')}`) {
    case 'GET ':
    case 'HEAD ':
      return send(at, request, response)
    case 'PUT ':
      return say(await receive(agent, at, request, () => tell(at)))
    case 'GET /stat':
      return say(await tell(at))
    case 'GET /list':
      return say({ path: asked, ...(await listed(at, Number(query.get('depth') ?? 1), tell)), truncated: false })
    case 'GET /search': {
      const { entries } = await listed(at, 100, tell)
      const pattern = query.get('pattern') ?? ''
      return say({ path: asked, entries: entries.filter(({ name }) => name.includes(pattern)), truncated: false })
    }
    case 'POST /mkdir': {
      const { path, parents = true } = await body(guestFileMkdir)
      await mkdir(place(path), { recursive: parents })
      return say({ created: true, file: await tell(place(path)) })
    }
    case 'POST /move': {
      const { from, to } = await body(guestFileMove)
      await rename(place(from), place(to))
      return say(await tell(place(to)))
    }
    case 'POST /copy': {
      const { from, to, recursive = false } = await body(guestFileCopy)
      await cp(place(from), place(to), { recursive })
      return say(await tell(place(to)))
    }
    case 'POST /remove': {
      const { path, recursive = false } = await body(guestFileRemove)
      await rm(place(path), { recursive })
      return say({ removed: 1 })
    }
    case 'POST /chmod': {
      const { path, mode } = await body(guestFileChmod)
      await chmod(place(path), Number.parseInt(mode, 8))
      return say(await tell(place(path)))
    }
    case 'POST /write-many':
      return say({ files: await writeMany(await body(guestWriteMany), place, tell) })
    case 'POST /pack': {
      const { paths } = await body(guestPack)
      for (const path of paths) await stat(place(path))
      const names = paths.map((path) => absolute(path).slice(1))
      const tar = spawn('tar', ['-cz', '-C', root, ...names], { stdio: ['ignore', 'pipe', 'ignore'] })
      return pipeline(tar.stdout, response)
    }
    case 'PUT /unpack': {
      await mkdir(at, { recursive: true })
      const tar = spawn('tar', ['-xz', '-C', at], { stdio: ['pipe', 'ignore', 'ignore'] })
      const over = new Promise<number | null>((resolve) => tar.once('close', resolve))
      await pipeline(request, tar.stdin)
      if ((await over) !== 0) throw new AppError('archive_invalid', 'It is no archive.')
      return say({ files: 1, directories: 0, bytes: 1 })
    }
    case 'GET /watch':
      agent.watches.add(response)
      response.once('close', () => agent.watches.delete(response))
      return void response.write('{"type":"ready"}\n')
    default:
      throw new AppError('not_found', `The agent does not serve ${request.method} ${url.pathname}.`)
  }
}

function absolute(path: GuestPath): string {
  const text = typeof path === 'string' ? path : Buffer.from(path.base64, 'base64').toString('latin1')
  if (text.includes('\0') || text.split('/').includes('..')) throw new AppError('invalid_path', 'The path climbs.')
  return normalize(text.startsWith('/') ? text : `/workspace/${text}`)
}

async function fileOf(path: string, root: string): Promise<GuestFile> {
  const seen = await stat(path)
  const { size, mode, mtimeMs, uid, gid } = seen
  const told = path.slice(root.length) || '/'
  return {
    path: told,
    name: basename(told) || '/',
    type: seen.isDirectory() ? 'directory' : 'file',
    size,
    mode: (mode & 0o7777).toString(8).padStart(4, '0'),
    modified_ms: Math.round(mtimeMs),
    uid,
    gid,
  }
}

async function listed(at: string, depth: number, tell: (path: string) => Promise<GuestFile>) {
  const entries: GuestFile[] = []
  let level = [at]
  for (let left = depth; left > 0 && level.length > 0; left--) {
    const next: string[] = []
    for (const directory of level)
      for (const name of (await readdir(directory)).sort()) {
        const file = await tell(join(directory, name))
        entries.push(file)
        if (file.type === 'directory') next.push(join(directory, name))
      }
    level = next
  }
  return { entries }
}

async function send(at: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const seen = await stat(at)
  const { size, mtime } = seen
  if (seen.isDirectory()) throw new AppError('is_a_directory', 'It is a directory.')
  const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? []
  const start = Number(from ?? 0)
  const end = to === undefined || to === '' ? size - 1 : Math.min(Number(to), size - 1)
  if (from !== undefined && start >= size) {
    response.setHeader('content-range', `bytes */${size}`)
    throw new AppError('range_not_satisfiable', 'It is shorter.')
  }
  response.writeHead(from === undefined ? 200 : 206, {
    'content-length': Math.max(0, end - start + 1),
    'accept-ranges': 'bytes',
    'last-modified': mtime.toUTCString(),
    etag: `"${size}"`,
    'content-type': 'text/html',
    ...(from === undefined ? {} : { 'content-range': `bytes ${start}-${end}/${size}` }),
  })
  if (request.method === 'HEAD' || size === 0) return void response.end()
  await pipeline(createReadStream(at, { start, end }), response)
}

/** Whole, or not at all. */
async function receive(
  agent: FileAgent,
  at: string,
  request: IncomingMessage,
  tell: () => Promise<GuestFile>,
): Promise<{ created: boolean; file: GuestFile }> {
  const created = await stat(at).then(
    () => false,
    () => true,
  )
  const mishap = agent.uploadMishap
  agent.uploadMishap = null
  if (mishap !== null) {
    await new Promise((resolve) => request.once('data', resolve))
    throw mishap
  }
  await mkdir(dirname(at), { recursive: true })
  const part = `${at}.part-${Math.random()}`
  try {
    await pipeline(request, createWriteStream(part))
    await rename(part, at)
  } catch (thrown) {
    await rm(part, { force: true })
    throw thrown
  }
  return { created, file: await tell() }
}

async function writeMany(
  { files }: z.infer<typeof guestWriteMany>,
  place: (path: GuestPath) => string,
  tell: (path: string) => Promise<GuestFile>,
): Promise<unknown[]> {
  return Promise.all(
    files.map(async ({ path, content }) => {
      try {
        const at = place(path)
        await mkdir(dirname(at), { recursive: true })
        await pipeline([Buffer.from(content, 'base64')], createWriteStream(at))
        return { created: true, file: await tell(at) }
      } catch (thrown) {
        return { code: thrown instanceof AppError ? thrown.code : 'file_refused', message: String(thrown) }
      }
    }),
  )
}
