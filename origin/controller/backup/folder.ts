/** The folder of a backup: looked at before anything is done, and left as it was when the backup fails. */
import { mkdir, readdir, rm, rmdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/** Whoever can read it can read every tenant's settings and the hashes of keys. */
const OWN_FOLDER = 0o700

const codeOf = (thrown: unknown): unknown => (thrown instanceof Error && 'code' in thrown ? thrown.code : undefined)

/** Throws when a backup cannot go there. The folder above must be there already, because a mistyped one never is. */
export async function requireFree(folder: string): Promise<void> {
  const names = await readdir(folder).catch((thrown: unknown) => {
    if (codeOf(thrown) === 'ENOENT') return null
    throw new Error(`${folder} is not a folder that can be written to.`, { cause: thrown })
  })
  if (names !== null && names.length > 0) throw new Error(`${folder} is not empty. Name a new folder.`)
  const above = dirname(folder)
  const isThere = await stat(above).then(
    (found) => found.isDirectory(),
    () => false,
  )
  if (!isThere) throw new Error(`There is no folder ${above}. Make it first, or name another one.`)
}

export async function fill<T>(folder: string, write: () => Promise<T>): Promise<T> {
  const isOurs = await mkdir(folder, { mode: OWN_FOLDER }).then(
    () => true,
    (thrown: unknown) => {
      if (codeOf(thrown) === 'EEXIST') return false
      throw thrown
    },
  )
  try {
    return await write()
  } catch (thrown) {
    for (const name of await readdir(folder)) await rm(join(folder, name), { force: true })
    if (isOurs) await rmdir(folder)
    throw thrown
  }
}
