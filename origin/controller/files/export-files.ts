/** Links to download files, each by itself and all of them as one archive. */
import { randomUUID } from 'node:crypto'
import type { ExportRecord } from '../../../shared/contracts/file-exports.ts'
import { type GuestFile, guestFile } from '../../../shared/contracts/guest-files.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { findForChange } from '../sandboxes/find-sandbox.ts'
import { type Asker, readFiles } from './ask-files.ts'
import { escaped, filesPath } from './file-path.ts'
import { nameOf } from './read-file.ts'
import { linkMaker } from './sign-link.ts'

export type ExportWish = {
  paths: string[]
  label: string | null
  filename: string
  ttlSec: number
  origin: string
}

/** Throws file_not_found for what is not there now, and what `linkMaker` throws. */
export async function exportFiles(asker: Asker, wish: ExportWish): Promise<ExportRecord> {
  const { controller, principal, reference } = asker
  const { id } = await findForChange(controller.database.db, principal, reference, controller.region.code)
  const links = await linkMaker(controller, principal, { ...wish, sandbox: id })
  const linkTo = (route: string, named: [name: string, value: string][]): Promise<string> => {
    const query = named.map(([name, value]) => `${name}=${escaped(Buffer.from(value))}`).join('&')
    return links.link('GET', `/v1/sandboxes/${id}/${route}?${query}`)
  }
  const files: ExportRecord['files'] = []
  for (let at = 0; at < wish.paths.length; at += LIMITS.fileQuestionsAtOnceMax) {
    const some = wish.paths.slice(at, at + LIMITS.fileQuestionsAtOnceMax)
    const told = await Promise.all(some.map(async (path) => ({ path, file: await statFile(asker, path) })))
    for (const { path, file } of told)
      files.push({
        path,
        filename: downloadName(path, file.type === 'directory'),
        size: file.type === 'directory' ? 0 : file.size,
        download_url: await linkTo('exports/download', [['path', path]]),
      })
  }
  return {
    id: `exp_${randomUUID().replaceAll('-', '')}`,
    sandbox_id: id,
    label: wish.label,
    status: 'ready',
    files,
    archive_download_url: await linkTo('archive', [
      ...wish.paths.map((path): [string, string] => ['paths%5B%5D', path]),
      ['filename', wish.filename],
    ]),
    expires_at: links.expiresAt,
    created_at: new Date(controller.clock()).toISOString(),
  }
}

export const statFile = (asker: Asker, path: string): Promise<GuestFile> =>
  readFiles(asker, filesPath('/stat', path, {}), guestFile)

/** The root has no name. */
export const downloadName = (path: string, isArchive: boolean): string =>
  isArchive ? `${nameOf(path) || 'root'}.tar.gz` : nameOf(path)
