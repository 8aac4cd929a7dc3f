/** What a backup says of itself. It is written last, so a folder that has one is whole. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import * as z from 'zod'

const manifestSchema = z.object({
  format: z.literal(1),
  takenAt: z.iso.datetime(),
  /** Of the newest migration that was applied: `when` in the journal of the migrations. */
  level: z.int(),
  /** In an order in which each comes after those that it refers to. */
  tables: z.array(
    z.object({
      name: z.string(),
      columns: z.array(z.string()).min(1),
      file: z.string().regex(/^[a-z_]+\.copy\.gz$/),
      rows: z.int(),
      sha256: z.string(),
    }),
  ),
  sequences: z.array(z.object({ name: z.string(), value: z.int(), max: z.number() })),
})
export type Manifest = z.infer<typeof manifestSchema>

export const MANIFEST = 'manifest.json'

/** Throws when there is none, or when a file is not as it was written. */
export async function readManifest(folder: string): Promise<Manifest> {
  const manifest = await findManifest(folder)
  for (const { file, sha256 } of manifest.tables)
    if ((await sha256Of(join(folder, file))) !== sha256) throw new Error(`${file} is not as it was written.`)
  return manifest
}

/** Throws when there is none. The files beside it are not looked at. */
export async function findManifest(folder: string): Promise<Manifest> {
  const text = await readFile(join(folder, MANIFEST), 'utf8').catch((cause: unknown) => {
    throw new Error(`${folder} holds no whole backup: it has no ${MANIFEST}.`, { cause })
  })
  return manifestSchema.parse(JSON.parse(text))
}

export async function sha256Of(file: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(file), hash)
  return hash.digest('hex')
}
