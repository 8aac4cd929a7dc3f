/** The routes of exports and archives: parse, call, translate. */
import { EXPORT_ROUTES } from '../../../shared/contracts/file-exports.ts'
import { guestUnpacked } from '../../../shared/contracts/guest-files.ts'
import { AppError } from '../../../shared/errors.ts'
import type { Principal } from '../accounts/principal.ts'
import { askFiles } from '../files/ask-files.ts'
import { downloadName, exportFiles } from '../files/export-files.ts'
import { filesPath } from '../files/file-path.ts'
import { packFiles } from '../files/pack-files.ts'
import { openFile, toOutcome } from '../files/read-file.ts'
import { upload } from '../files/write-file.ts'
import { readGuestJson } from '../sandboxes/ask-guest.ts'
import { header } from './arrival.ts'
import { type Call, json, type Outcome, type Serve } from './serve-route.ts'

type Routes = typeof EXPORT_ROUTES

export function serveExports(serve: Serve<Principal>): void {
  serve(EXPORT_ROUTES.create, create)
  serve(EXPORT_ROUTES.download, download)
  serve(EXPORT_ROUTES.pack, async (call) => pack(call, pathsOf(call.query), call.query.format))
  serve(EXPORT_ROUTES.unpack, unpack)
}

async function create(call: Call<Routes['create']>): Promise<Outcome> {
  const { path, paths = [], label, filename, expires_in: ttlSec } = call.body
  const wish = {
    paths: pathsOf({ path, 'paths[]': paths }),
    label: label ?? null,
    filename: filename ?? 'export.tar.gz',
    ttlSec,
    origin: call.origin,
  }
  return json({ data: await exportFiles(call, wish) })
}

/** One file as it is, and everything else as an archive. */
async function download(call: Call<Routes['download']>): Promise<Outcome> {
  const paths = pathsOf(call.query)
  const [path, ...others] = paths
  if (path === undefined || others.length > 0) return pack(call, paths, 'tar.gz')
  const { query, arrival } = call
  const headers = { range: header(arrival, 'range'), 'if-range': header(arrival, 'if-range') }
  const method = methodOf(call)
  try {
    const answer = await openFile(call, { path, user: query.user, method, headers })
    return toOutcome(answer, method, query.filename ?? downloadName(path, false))
  } catch (thrown) {
    if (thrown instanceof AppError && thrown.code === 'is_a_directory') return pack(call, paths, 'tar.gz')
    throw thrown
  }
}

type Packed = Call<Routes['download']> | Call<Routes['pack']>

function pack(call: Packed, paths: string[], format: 'tar' | 'tar.gz'): Promise<Outcome> {
  const [only = 'export'] = paths
  const filename = call.query.filename ?? (paths.length === 1 ? downloadName(only, true) : `export.${format}`)
  return packFiles(call, { paths, format, user: call.query.user, filename, method: methodOf(call) })
}

async function unpack(call: Call<Routes['unpack']>): Promise<Outcome> {
  const { upload: archive, arrival, query } = call
  const length = header(arrival, 'content-length')
  const told = await upload(archive, async () =>
    readGuestJson(
      await askFiles(call, {
        method: 'PUT',
        path: filesPath('/unpack', query.path, { user: query.user }),
        ...(length === undefined ? {} : { headers: { 'content-length': length } }),
        body: archive,
      }),
      guestUnpacked,
    ),
  )
  return json({ data: { path: query.path, ...told } })
}

const methodOf = ({ arrival }: Packed): 'GET' | 'HEAD' => (arrival.method === 'HEAD' ? 'HEAD' : 'GET')

/** Throws invalid_request when none is named. */
function pathsOf({ path, 'paths[]': paths }: { path?: string | undefined; 'paths[]': string[] }): string[] {
  const named = [...(path === undefined ? [] : [path]), ...paths]
  if (named.length > 0) return named
  throw new AppError('invalid_request', 'Neither path nor paths[] says what is wanted.', {
    details: { path: ['is required'] },
  })
}
