/** What the agent tells of files, in the words of the API. Pure. */
import type { FileList, FileRecord, FileTree } from '../../../shared/contracts/file-fields.ts'
import type { GuestFile, GuestFileList } from '../../../shared/contracts/guest-files.ts'

const TYPES: Partial<Record<GuestFile['type'], FileRecord['type']>> = {
  file: 'file',
  directory: 'dir',
  symlink: 'symlink',
}
const typeOf = ({ type }: GuestFile): FileRecord['type'] => TYPES[type] ?? 'other'

export const timeOf = (ms: number): string => new Date(ms).toISOString()

export const toFileRecord = (file: GuestFile): FileRecord => ({
  path: file.path,
  ...(file.path_base64 === undefined ? {} : { path_base64: file.path_base64 }),
  name: file.name,
  ...(file.name_base64 === undefined ? {} : { name_base64: file.name_base64 }),
  size: file.size,
  is_dir: file.type === 'directory',
  type: typeOf(file),
  mode: file.mode,
  modified_at: timeOf(file.modified_ms),
  uid: file.uid,
  gid: file.gid,
  ...(file.target === undefined ? {} : { target: file.target }),
})

export const toFileList = ({ path, entries, truncated }: GuestFileList): FileList => ({
  path,
  entries: entries.map(toFileRecord),
  truncated,
})

/** By its bytes, which no other path has. */
const keyOf = ({ path, path_base64 }: Pick<GuestFile, 'path' | 'path_base64'>): string =>
  path_base64 ?? Buffer.from(path).toString('base64')

/** The directory that something is in, by its bytes. */
function parentOf(file: GuestFile): string {
  const bytes = Buffer.from(keyOf(file), 'base64')
  const end = bytes.lastIndexOf('/')
  return bytes.subarray(0, Math.max(end, 1)).toString('base64')
}

const nodeOf = (file: GuestFile): FileTree => ({
  path: file.path,
  name: file.name,
  type: typeOf(file),
  size: file.size,
  modified_at: timeOf(file.modified_ms),
  ...(file.type === 'directory' ? { children: [] } : {}),
})

/** An entry whose directory was not told of hangs nowhere: a guest that says such a thing makes no sense. */
export function toTree(root: GuestFile, { entries, truncated }: GuestFileList): FileTree & { truncated: boolean } {
  const top = nodeOf(root)
  const nodes = new Map<string, FileTree>([[keyOf(root), top]])
  for (const entry of entries) {
    const node = nodeOf(entry)
    nodes.get(parentOf(entry))?.children?.push(node)
    nodes.set(keyOf(entry), node)
  }
  return { ...top, truncated }
}
