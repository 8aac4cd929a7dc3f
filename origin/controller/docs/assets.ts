/** The files of the page at /docs, read once and kept packed: the page itself, and what it needs of Swagger UI. */
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'

export type Asset = { type: string; plain: Buffer; packed: Buffer }

const pack = promisify(gzip)
const ofPackage = createRequire(import.meta.url)
const own = (name: string): URL => new URL(name, import.meta.url)
const swagger = (name: string): string => ofPackage.resolve(`swagger-ui-dist/${name}`)

const FILES: Readonly<Record<string, { type: string; file: string | URL }>> = {
  '/docs': { type: 'text/html; charset=utf-8', file: own('page.html') },
  '/docs/page.css': { type: 'text/css; charset=utf-8', file: own('page.css') },
  '/docs/page.js': { type: 'text/javascript; charset=utf-8', file: own('page.js') },
  '/docs/swagger-ui.css': { type: 'text/css; charset=utf-8', file: swagger('swagger-ui.css') },
  '/docs/swagger-ui.js': { type: 'text/javascript; charset=utf-8', file: swagger('swagger-ui-bundle.js') },
  '/docs/favicon.png': { type: 'image/png', file: swagger('favicon-32x32.png') },
}

export const ASSET_PATHS: readonly string[] = Object.keys(FILES)

const kept = new Map<string, Promise<Asset>>()

/** Undefined for a path that is not one of ASSET_PATHS. Throws when a file cannot be read, and reads it anew when asked again. */
export function readAsset(path: string): Promise<Asset> | undefined {
  const known = kept.get(path)
  const wanted = FILES[path]
  if (known !== undefined || wanted === undefined) return known
  const reading = read(wanted)
  kept.set(path, reading)
  reading.catch(() => kept.delete(path))
  return reading
}

async function read({ type, file }: { type: string; file: string | URL }): Promise<Asset> {
  const plain = await readFile(file)
  return { type, plain, packed: await pack(plain) }
}
