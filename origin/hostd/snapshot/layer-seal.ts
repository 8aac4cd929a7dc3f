/** The checksum of a layer, in a small file beside it. */
import { readFile, rename, stat, writeFile } from 'node:fs/promises'
import { checksumOf } from './checksum.ts'
import { sync } from './sync-files.ts'

const SUFFIX = '.crc32'

export const sealOf = (layerPath: string): string => `${layerPath}${SUFFIX}`

/** The layer to which a file among the layers belongs: itself, or the one whose seal it is. */
export const layerOf = (entry: string): string => (entry.endsWith(SUFFIX) ? entry.slice(0, -SUFFIX.length) : entry)

/** Whole or absent. Its name is synced by the caller, with the layer's. */
export async function writeSeal(layerPath: string): Promise<void> {
  const path = sealOf(layerPath)
  await writeFile(`${path}.new`, String(await checksumOf(layerPath)), { mode: 0o600 })
  await sync(`${path}.new`)
  await rename(`${path}.new`, path)
}

export async function readSeal(layerPath: string): Promise<number | null> {
  const text = await readFile(sealOf(layerPath), 'utf8').catch(() => null)
  return text !== null && /^\d+$/.test(text) ? Number(text) : null
}

/** Changes whenever the file does. */
export async function stampOf(path: string): Promise<string> {
  const { ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true })
  return [ino, size, mtimeNs, ctimeNs].join('.')
}
