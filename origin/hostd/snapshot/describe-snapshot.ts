/** Looks at the files of a snapshot that has just been written: how large they are, and what they must still be when they are read. */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { checksumOf } from './checksum.ts'
import { type Manifest, SNAPSHOT_FILES } from './manifest.ts'

const BLOCK_BYTES = 512
const { deviceState, memoryIndex, memoryPages } = SNAPSHOT_FILES

export const ownFiles = (directory: string): string[] =>
  [deviceState, memoryIndex, memoryPages].map((file) => join(directory, file))

/** What files take on the disk, which is less than their size where they have holes. */
export async function allocatedBytes(...paths: string[]): Promise<number> {
  const looks = await Promise.all(paths.map((path) => stat(path)))
  return looks.reduce((bytes, { blocks }) => bytes + blocks * BLOCK_BYTES, 0)
}

export async function checksumsIn(directory: string): Promise<Exclude<Manifest['crc32'], null>> {
  const [device_state = 0, memory_index = 0, memory_pages = 0] = await Promise.all(ownFiles(directory).map(checksumOf))
  return { device_state, memory_index, memory_pages }
}
