/** What differs in the files of two sandboxes, by what their directories say of them; what is in the files is not read. */
import { type GuestFile, guestFileList } from '../../../shared/contracts/guest-files.ts'
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { type Asker, readFiles } from './ask-files.ts'
import { filesPath } from './file-path.ts'

export type FileDiff = { added: string[]; removed: string[]; modified: string[] }

/** Throws too_many when a directory has more than one list tells. */
export async function diffFiles(asker: Asker, other: string, paths: string[]): Promise<FileDiff> {
  const diff: FileDiff = { added: [], removed: [], modified: [] }
  for (const path of paths) {
    const [here, there] = await Promise.all([filesBelow(asker, path), filesBelow({ ...asker, reference: other }, path)])
    for (const [name, file] of there) {
      const before = here.get(name)
      if (before === undefined) diff.added.push(file.path)
      else if (signOf(before) !== signOf(file)) diff.modified.push(file.path)
    }
    for (const [name, file] of here) if (!there.has(name)) diff.removed.push(file.path)
  }
  return diff
}

/** By the bytes of their paths. A directory that is not there has nothing in it. */
async function filesBelow(asker: Asker, path: string): Promise<Map<string, GuestFile>> {
  try {
    const { entries, truncated } = await readFiles(
      asker,
      filesPath('/list', path, { depth: LIMITS.fileDepthMax }),
      guestFileList,
    )
    if (truncated) throw new AppError('too_many', `There is more below ${path} than can be compared.`)
    return new Map(entries.map((file) => [file.path_base64 ?? file.path, file]))
  } catch (thrown) {
    if (thrown instanceof AppError && thrown.code === 'file_not_found') return new Map()
    throw thrown
  }
}

/** The time of a directory only says that something in it came or went, which is told by itself. */
const signOf = ({ type, size, mode, modified_ms, target }: GuestFile): string =>
  JSON.stringify(type === 'directory' ? [type, mode] : [type, size, mode, modified_ms, target])
